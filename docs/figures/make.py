"""Write the figures of the documentation: `python docs/figures/make.py [NAME ..]`, by default all of them."""

import sys
from collections.abc import Callable
from pathlib import Path

import chains
import explained
import gallery
import plots

import corruptions

__all__ = ["FIGURES", "FOLDER", "main"]

FOLDER = Path(__file__).parent
# The name of each file and what writes it.
FIGURES: dict[str, Callable[[Path], None]] = {
    "readme.webp": gallery.readme,
    "gallery.webp": gallery.gallery,
    "mix_is_data.webp": explained.mix_is_data,
    "sage.webp": explained.sage_search,
    "puzzlemix.webp": explained.puzzlemix_blocks,
    "augmix.webp": chains.augmix_chains,
    "corruptions.webp": corruptions.corruptions,
    "schedules.webp": plots.schedules,
    "reliability.webp": plots.reliability,
}


def main(wanted: list[str]) -> int:
    """Write the figures of these names, with or without their suffix."""
    chosen = [name for name in FIGURES if not wanted or {name, Path(name).stem} & set(wanted)]
    unknown = set(wanted) - {word for name in chosen for word in (name, Path(name).stem)}
    if unknown:
        print(f"error: no figure {', '.join(sorted(unknown))}; wanted some of {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    for name in chosen:
        FIGURES[name](FOLDER / name)
        print(f"{name}: {(FOLDER / name).stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
