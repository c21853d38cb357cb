"""Milliseconds an image for every corruption of C-bar, next to a numpy and scipy version of the same equations.

    python benchmarks/cbar.py

The other contender is tests/reference/cbar.py with samples from numpy, one image after the other in float64: a version
of ours, vectorized over pixels, and not the code of the benchmark's authors. Contenders run interleaved in one
process, in random order, round after round; a ratio is the median over rounds, in which the drift of a busy machine
cancels. Both get 8-bit images of 32 px, and severity 3.
"""

import importlib
import itertools
import pathlib
import statistics
import sys
from collections.abc import Callable

import measure

measure.with_allocator()
sys.path.append(str(pathlib.Path(__file__).parents[1] / "tests"))

import jax
import numpy as np

from corruptions import random_images
from jaxmix.robustness import corruptions
from jaxmix.robustness.corruptions.severities import constant

reference = importlib.import_module("reference.cbar")
SIDE, NUMBER, FEW, SEVERITY, ROUNDS, SECONDS = 32, 256, 4, 3, 7, 0.3
TURN = 2 * np.pi
NAMES = {name: constants for constants in reversed(corruptions.CBAR) for name in corruptions.CBAR[constants]}

Sampler = Callable[[np.random.Generator, float], tuple]


def rays(generator: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    return generator.integers(50, 200, shape), generator.normal(size=(*shape, 199))


def checkerboard(generator: np.random.Generator, value: float) -> tuple:
    cell = max(1, generator.uniform(0.1, 0.25) * SIDE)
    number = int(4 * SIDE / cell)
    return generator.uniform(0, TURN), cell, generator.random((number, number)), value / 10


def drawn_lines(generator: np.random.Generator, value: float) -> tuple:
    number, spread = int(value / 10 * SIDE), generator.uniform(0.1, 1)
    angles = generator.uniform(0, TURN) + TURN * spread * (generator.random(number) - 0.5)
    return generator.uniform(0, SIDE, (number, 2)), angles


def frequencies(generator: np.random.Generator, value: float) -> tuple:
    first = generator.uniform(-np.pi, np.pi)
    pair = generator.permutation([first, generator.uniform(-1, 1) * abs(first)])
    return pair, generator.uniform(0, TURN), 196 / 255 * value / 10


def lattice(generator: np.random.Generator, value: float) -> tuple:
    vectors = generator.uniform(-1, 1, (256, 2))
    return generator.permutation(256), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 0.5 * value / 10


# The samples and constants of each, for one image.
SAMPLES: dict[str, Sampler] = {
    "blue_noise_sample": lambda g, v: (g.uniform(0, TURN, (SIDE, SIDE // 2)), 0.3 * v - 2.5),
    "brownish_noise": lambda g, v: (g.uniform(0, TURN, (3, SIDE, SIDE // 2)), 64 / 255 * v / 10),
    "checkerboard_cutout": checkerboard,
    "inverse_sparkles": lambda g, v: (g.uniform(0.25, 0.75, 2) * SIDE, *(a[0] for a in rays(g, 1)), 1.3 * v / 10),
    "pinch_and_twirl": lambda g, v: (np.pi / 20 * v * g.choice([-1, 1], (3, 3)), 0.04 * v + 0.1, SIDE // 3),
    "ripple": lambda g, v: (g.uniform(0.1, 0.3, 2) * SIDE, g.uniform(0, TURN, 2), 0.0025 * v * SIDE),
    "sparkles": lambda g, v: (g.uniform(0, SIDE, (5, 2)), *rays(g, 5), 0.01 * v * SIDE),
    "circular_motion_blur": lambda g, v: (1.5 * v,),
    "lines": drawn_lines,
    "transverse_chromatic_abberation": lambda g, v: (g.permutation([1, 1 + v / 40, 1 + v / 20]),),
    "caustic_refraction": lambda g, v: (g.uniform(0.5, 2), g.uniform(0.75, 1.25) * SIDE, v / 20 * SIDE, v / 5),
    "cocentric_sine_waves": lambda g, v: (
        g.uniform(0, SIDE, 2),
        g.uniform(0, 10),
        *g.uniform(0, SIDE / 10, 2),
        128 / 255 * v / 10,
    ),
    "perlin_noise": lattice,
    "plasma_noise": lambda g, v: (
        g.uniform(0, 3 * TURN),
        g.integers(4, 7),
        g.uniform(0.5, 1),
        g.uniform(0.075, 0.2) * SIDE,
        64 / 255 * v / 10,
    ),
    "single_frequency_greyscale": frequencies,
}


def measured(name: str, constants: str, x: np.ndarray) -> dict:
    """Milliseconds an image of both, the ratio, and seconds to compile."""
    value, generator, device = constant(name, SEVERITY, constants), np.random.default_rng(0), jax.device_put(x)
    keys = itertools.cycle(jax.random.split(jax.random.key(1), 64))
    call, seconds = measure.compiled(
        lambda key, x: corruptions.corrupt(key, x, name, SEVERITY, constants=constants), next(keys), device
    )

    def one_by_one() -> list[np.ndarray]:
        made = (getattr(reference, name)(image.astype(float), *SAMPLES[name](generator, value)) for image in x[:FEW])
        return [image.clip(0, 255).astype(np.uint8) for image in made]

    times = measure.interleaved({"jaxmix": lambda: call(next(keys), device), "numpy": one_by_one}, ROUNDS, SECONDS)
    each = {"jaxmix": [t / len(x) for t in times["jaxmix"]], "numpy": [t / FEW for t in times["numpy"]]}
    found = {contender: {"ms": measure.milliseconds(took)} for contender, took in each.items()}
    found["jaxmix"]["compile_seconds"] = seconds
    found["numpy"] |= measure.ratios(each["numpy"], each["jaxmix"])
    print(name, {contender: round(row["ms"], 4) for contender, row in found.items()}, flush=True)
    return found


def main() -> None:
    x = random_images(NUMBER, SIDE)
    found = {name: measured(name, constants, x) for name, constants in NAMES.items()}
    median = statistics.median(row["numpy"]["ratio"] for row in found.values())
    print(f"median over {len(found)} corruptions: {median:.1f} times as fast as numpy, one image after the other")
    path = measure.write("cbar", severity=SEVERITY, side=SIDE, batch=NUMBER, rounds=ROUNDS, results=found)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
