"""Milliseconds an image for every corruption of C-bar, next to a numpy and scipy version of the same equations.

    python benchmarks/cbar.py
    uv run --isolated --with-requirements requirements.lock --with pillow --with scikit-image --with-editable . \\
        python benchmarks/cbar.py --authors FOLDER --commit HASH

The other contender is tests/reference/cbar.py with samples from numpy, one image after the other in float64: a version
of ours, vectorized over pixels, and not the code of the benchmark's authors. With `--authors` that one is a third
contender, and a second size is measured: FOLDER holds corrupt.py, the folder imagenet_c_bar of
github.com/facebookresearch/augmentation-corruption. Contenders run interleaved in one process, in random order, round
after round; a ratio is the median over rounds, in which the drift of a busy machine cancels. All get 8-bit images and
severity 3, ours the batch; the constants are CIFAR-10-C-bar's at 32 px, where it has the corruption, and else
ImageNet-C-bar's.
"""

import argparse
import functools
import importlib
import importlib.metadata
import itertools
import os
import pathlib
import statistics
import sys
from collections.abc import Callable, Mapping
from typing import Any

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
# Next to the authors' code, whose loops over pixels take seconds an image: side, batch and rounds.
LARGE, LARGE_NUMBER, LARGE_ROUNDS = 224, 16, 3
TURN = 2 * np.pi
NAMES = {name: constants for constants in reversed(corruptions.CBAR) for name in corruptions.CBAR[constants]}
LARGE_NAMES = dict.fromkeys(corruptions.CBAR["imagenet"], "imagenet")

Sampler = Callable[[np.random.Generator, float], tuple]
# A corruption of the authors, made for a constant and a side: it takes an image and samples its parameters.
Authors = Mapping[str, Callable[..., Callable[[np.ndarray], np.ndarray]]]


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


def authors_code(folder: pathlib.Path) -> Authors:
    """The authors' classes by the names of the corruptions, with a name back that numpy 1.24 dropped."""
    vars(np).setdefault("int", int)
    sys.path.insert(0, str(folder))
    return {each.name: each for each in importlib.import_module("corrupt").Transform.__subclasses__()}


def one_by_one(name: str, value: float, x: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """Images of the numpy version."""
    made = (getattr(reference, name)(image.astype(float), *SAMPLES[name](generator, value)) for image in x[:FEW])
    return [image.clip(0, 255).astype(np.uint8) for image in made]


def measured(name: str, constants: str, x: np.ndarray, authors: Authors, rounds: int) -> dict:
    """Milliseconds an image of each contender, ratios, and seconds to compile."""
    value, device, side = constant(name, SEVERITY, constants), jax.device_put(x), x.shape[1]
    keys, images = itertools.cycle(jax.random.split(jax.random.key(1), 64)), itertools.cycle(x)
    call, seconds = measure.compiled(
        lambda key, x: corruptions.corrupt(key, x, name, SEVERITY, constants=constants), next(keys), device
    )
    calls, number = {"jaxmix": lambda: call(next(keys), device)}, {"jaxmix": len(x), "numpy": FEW, "authors": 1}
    if side == SIDE:
        calls["numpy"] = functools.partial(one_by_one, name, value, x, np.random.default_rng(0))
    if authors:
        theirs = authors[name](severity=value, im_size=side)
        calls["authors"] = lambda: theirs(next(images))
    times = measure.interleaved(calls, rounds, SECONDS)
    each = {contender: [t / number[contender] for t in took] for contender, took in times.items()}
    found = {contender: {"ms": measure.milliseconds(took)} for contender, took in each.items()}
    found["jaxmix"]["compile_seconds"] = seconds
    for contender in found.keys() - {"jaxmix"}:
        found[contender] |= measure.ratios(each[contender], each["jaxmix"])
    print(side, name, {contender: round(row["ms"], 4) for contender, row in found.items()}, flush=True)
    return found


def medians(found: dict[str, dict], side: int) -> dict[str, float]:
    """The median ratio over the corruptions of each other contender."""
    others = next(iter(found.values())).keys() - {"jaxmix"}
    made = {other: statistics.median(row[other]["ratio"] for row in found.values()) for other in sorted(others)}
    for other, ratio in made.items():
        print(f"median over {len(found)} corruptions at {side} px: {ratio:.1f} times as fast as {other}, one by one")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--authors", type=pathlib.Path, help="folder of the authors' corrupt.py, measured too")
    parser.add_argument("--commit", help="the commit of that folder, for the record")
    arguments = parser.parse_args()
    authors: Authors = {}
    more: dict[str, Any] = {}
    load = os.getloadavg()[0]
    x = random_images(NUMBER, SIDE)
    if arguments.authors:
        authors = authors_code(arguments.authors)
        versions = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "scikit-image", "pillow")}
        more = {"authors_commit": arguments.commit, "versions": versions}
    found = {name: measured(name, constants, x, authors, ROUNDS) for name, constants in NAMES.items()}
    more["medians"] = medians(found, SIDE)
    if authors:
        x = random_images(LARGE_NUMBER, LARGE)
        large = {name: measured(name, constants, x, authors, LARGE_ROUNDS) for name, constants in LARGE_NAMES.items()}
        sizes = {"side": LARGE, "batch": LARGE_NUMBER, "rounds": LARGE_ROUNDS}
        more["large"] = {**sizes, "medians": medians(large, LARGE), "results": large}
    more["load"] = [load, os.getloadavg()[0]]
    path = measure.write("cbar", severity=SEVERITY, side=SIDE, batch=NUMBER, rounds=ROUNDS, results=found, **more)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
