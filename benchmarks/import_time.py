"""How long `import jaxmix` takes, as a ratio to `import jax`: the median of interleaved pairs of fresh interpreters.

    python benchmarks/import_time.py [--pairs 11]

Importing jaxmix imports jax too, so the ratio is above 1. Before the first pair each is imported once, so that files
are compiled and in memory.
"""

import argparse
import os
import statistics
import subprocess
import sys

TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(module: str) -> float:
    """Seconds that the import takes in a new interpreter."""
    command = [sys.executable, "-c", TIMED.format(module)]
    compiled = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # as a package that is installed
    return float(subprocess.run(command, env=compiled, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    seconds("jax"), seconds("jaxmix")
    times = [(seconds("jax"), seconds("jaxmix")) for _ in range(pairs)]
    alone, both = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(second / first for first, second in times)
    quarter = len(ratios) // 4
    print(
        f"import jax {alone:.2f} s, import jaxmix {both:.2f} s: ratio {statistics.median(ratios):.3f} "
        f"(quartiles {ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}, {pairs} pairs)"
    )


if __name__ == "__main__":
    main()
