"""`python -m jaxmix IMAGES..`: a sheet of one's own images under methods; `--list` names the methods."""

import sys

from jaxmix.visualize.command_line import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
