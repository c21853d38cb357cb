"""What the guided methods cost, their maps given, and how their pieces compare.

    uv run --isolated --with-requirements requirements.lock --with-editable . python benchmarks/guided.py [GROUP ...]

The groups are searches, methods and step; the results of those that are left out stay as they are. Everything of one
group runs interleaved in one process, in random order, round after round: milliseconds are medians
over the rounds, ratios are medians of the rounds' ratios. Images and label weights are asked for. Compile times are of
the first call, tracing included, without a cache.
"""

import argparse
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import measure

measure.with_allocator()

import jax

import jaxmix
import train_step
from jaxmix import partners, saliency, shifts
from jaxmix.methods.guidedmix import distances

# Pairs, side and rounds.
SEARCHES = [(100, 32, 11), (24, 64, 7), (4, 224, 5)]
BATCH, ROUNDS, SECONDS = (100, 32, 32, 3), 15, 0.1


def blobs(key, number, side):
    """Smooth maps on a floor of noise, as saliency looks."""
    noise, fine = jax.random.split(key)
    coarse = jax.random.uniform(noise, (number, side // 4, side // 4)) ** 4
    smooth = jax.image.resize(coarse, (number, side, side), "linear")
    return smooth + 0.1 * jax.random.uniform(fine, (number, side, side))


def search(pairs, side, rounds):
    """The exhaustive search of SAGE against the Fourier search and the authors' sample, on the same smoothed pairs."""
    smooth = (saliency.smooth(blobs(jax.random.key(seed), pairs, side)) for seed in (1, 2))
    own, other = (0.5 * saliency.normalize(maps) for maps in smooth)
    key = jax.random.key(0)
    functions = {name: jax.jit(getattr(shifts, name)) for name in ("rolled", "sampled", "fourier")}
    times = measure.interleaved(
        {name: functools.partial(function, key, own, other) for name, function in functions.items()}, rounds, SECONDS
    )
    best = shifts.score(own, other, functions["rolled"](key, own, other))
    return {
        name: {
            "ms": measure.milliseconds(times[name]),
            "rolled takes times": measure.ratios(times["rolled"], times[name]),
            "share of the best score": float((shifts.score(own, other, function(key, own, other)) / best).mean()),
        }
        for name, function in functions.items()
    }


def methods():
    """Milliseconds per batch, and seconds to compile, of each method."""
    x = jax.random.uniform(jax.random.key(1), BATCH)
    number, side = BATCH[:2]
    maps = blobs(jax.random.key(2), number, side)
    grid = blobs(jax.random.key(3), number, 28)[:, ::4, ::4]
    labels = jax.random.randint(jax.random.key(4), (number,), 0, 100)
    pixels = (255 * x).astype("uint8")
    puzzle = functools.partial(jaxmix.puzzlemix, std=(0.25, 0.25, 0.26))
    contenders = {
        "cutmix": (jaxmix.cutmix, ()),
        "saliencymix": (jaxmix.saliencymix, (maps,)),
        "attentivemix": (jaxmix.attentivemix, (grid,)),
        "snapmix": (jaxmix.snapmix, (grid, labels)),
        "sage": (jaxmix.sage, (maps,)),
        "puzzlemix, 2 blocks": (functools.partial(puzzle, blocks=2), (maps,)),
        "puzzlemix, 4 blocks": (functools.partial(puzzle, blocks=4), (maps,)),
        "puzzlemix, 8 blocks": (functools.partial(puzzle, blocks=8), (maps,)),
        "puzzlemix, 16 blocks": (functools.partial(puzzle, blocks=16), (maps,)),
        "puzzlemix, drawn": (puzzle, (maps,)),
        "comixup": (jaxmix.comixup, (maps,)),
        "guidedmix": (jaxmix.guidedmix, (maps,)),
    }
    calls, compiling = {}, {}
    for name, (method, arguments) in contenders.items():

        def only_images_and_weights(key, x, *maps, method=method):
            images, mix = method(key, x, *maps)
            return images, mix.weight

        calls[name] = functools.partial(jax.jit(only_images_and_weights), jax.random.key(0), x, *arguments)
    calls["fine-grained saliency"] = functools.partial(jax.jit(saliency.fine_grained), pixels)
    calls["spectral residual saliency"] = functools.partial(jax.jit(saliency.spectral_residual), x)
    for name, call in calls.items():
        begun = time.perf_counter()
        jax.block_until_ready(call())
        compiling[name] = time.perf_counter() - begun
    times = measure.interleaved(calls, ROUNDS, SECONDS)
    return {
        name: {
            "ms": measure.milliseconds(times[name]),
            "compile s": compiling[name],
            "cutmix takes 1, this": measure.ratios(times[name], times["cutmix"]),
        }
        for name in calls
    }


def step():
    """What GuidedMixup adds to a training step of a small network, piece by piece, and as a share of the step."""
    dataset = train_step.random_images()
    number = train_step.BATCH
    x = jax.random.normal(jax.random.key(1), (number, 32, 32, 3))
    maps = jax.jit(saliency.spectral_residual)(x)
    apart = jax.jit(distances)(saliency.normalize(maps))
    functions: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "spectral residual saliency": (saliency.spectral_residual, (x,)),
        "distances of the maps": (distances, (maps,)),
        "cover": (partners.cover, (apart,)),
        "guidedmix, maps given": (lambda x, maps: jaxmix.guidedmix(jax.random.key(0), x, maps)[0], (x, maps)),
    }
    calls: dict[str, Callable[[], Any]] = {
        name: functools.partial(jax.jit(call), *arguments) for name, (call, arguments) in functions.items()
    }
    calls["a step of resnet-8"] = train_step.stepper("none", "resnet-8", dataset)
    times = measure.interleaved(calls, ROUNDS, SECONDS)
    return {
        name: {
            "ms": measure.milliseconds(times[name]),
            "a step takes 1, this": measure.ratios(times[name], times["a step of resnet-8"]),
        }
        for name in calls
    }


def main():
    parser = argparse.ArgumentParser(description="What the guided methods cost.")
    parser.add_argument("groups", nargs="*", choices=["searches", "methods", "step"], default=[])
    groups = parser.parse_args().groups or ["searches", "methods", "step"]
    before = measure.RESULTS / f"guided-{jax.devices()[0].platform}.json"
    kept = json.loads(before.read_text()) if before.exists() else {}
    if (kept.get("device"), kept.get("jax")) != (measure.where(), jax.__version__):
        kept = {}  # the head of the file is of one device and version
    results = {name: kept.get(name, {}) for name in ("searches", "methods", "step")}
    measured = {
        "searches": lambda: {f"{pairs}x{side}x{side}": search(pairs, side, *how) for pairs, side, *how in SEARCHES},
        "methods": methods,
        "step": step,
    }
    results |= {name: measured[name]() for name in groups}
    path = measure.write("guided", rounds=ROUNDS, **results)
    print(f"{measure.where()}, jax {jax.__version__}, float32, medians of interleaved rounds\n")
    for name in groups:
        printed(name, results[name])
    print(f"\nwritten to {path}")


def printed(group, found):
    """Print the table of a group."""
    if group == "searches":
        print_searches(found)
    elif group == "methods":
        print(f"\n| {' x '.join(map(str, BATCH))}, maps given | ms | times cutmix | compile, s |\n|---|---|---|---|")
        for name, row in found.items():
            print(f"| {name} | {row['ms']:.2f} | {row['cutmix takes 1, this']['ratio']:.1f} | {row['compile s']:.1f} |")
    else:
        print(f"\n| {train_step.BATCH} images of 32x32 | ms | % of a step |\n|---|---|---|")
        for name, row in found.items():
            print(f"| {name} | {row['ms']:.2f} | {100 * row['a step takes 1, this']['ratio']:.2f} |")


def print_searches(searches):
    print("Shift search of SAGE, ms; in brackets how many times as long the exhaustive search takes\n")
    print("| | " + " | ".join(searches) + " |\n|---|" + "---|" * len(searches))
    for name in next(iter(searches.values())):
        cells = [
            f"{rows[name]['ms']:.1f} ({rows[name]['rolled takes times']['ratio']:.1f})" for rows in searches.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
