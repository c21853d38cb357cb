"""Milliseconds an image for every corruption, next to imagecorruptions', and how long a CIFAR-size sweep takes.

    uv run --isolated --with-requirements requirements.lock --with imagecorruptions --with "setuptools<80" \\
        --with-editable . python benchmarks/corruptions.py     # without imagecorruptions: ours alone
    python benchmarks/corruptions.py --sweep                   # 15 corruptions x 5 severities x 10,000 images

Contenders run interleaved in one process, in random order, round after round; a ratio is the median over rounds, in
which the drift of a busy machine cancels. Both get 8-bit images and ImageNet-C's constants at severity 3: theirs one
by one, ours the batch. Severity 3 of spatter is water, for which ours is a substitute; frost gets photographs of noise,
and theirs reads a file in every call.
"""

import argparse
import functools
import importlib
import itertools
import statistics
import time
import types
import warnings

import measure

measure.with_allocator()

import jax
import numpy as np

from jaxmix.robustness import corruptions

SIZES, SEVERITY, ROUNDS, SECONDS = {32: 256, 224: 16}, 3, 7, 0.3
NAMES = (*corruptions.MAIN, *corruptions.EXTRA)
PHOTOS = [np.random.default_rng(i).integers(0, 256, (400 + 10 * i, 500, 3)).astype(np.uint8) for i in range(5)]


def theirs() -> types.ModuleType | None:
    """imagecorruptions, where it is installed, with two names back that numpy 2 and scikit-image 0.20 dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("imagecorruptions")
            functions = importlib.import_module("imagecorruptions.corruptions")
    except ImportError as error:
        print(f"imagecorruptions can't be imported ({error}): ours alone")
        return None
    smooth = functions.gaussian

    def gaussian(*arguments, multichannel=False, **options):
        return smooth(*arguments, channel_axis=-1 if multichannel else None, **options)

    vars(functions)["gaussian"] = gaussian
    vars(np).setdefault("float_", np.float64)
    return module


def random_images(number: int, side: int) -> np.ndarray:
    """Smooth coloured noise, 8 bits."""
    coarse = jax.random.uniform(jax.random.key(0), (number, side // 8, side // 8, 3))
    return np.asarray(jax.image.resize(coarse, (number, side, side, 3), "cubic").clip(0, 1) * 255).astype(np.uint8)


def ours(name: str, severity: int, constants: str):
    """The jitted corruption; frost gets its photographs."""
    photographs = PHOTOS if name == "frost" else None
    if name == "spatter" and severity < 4:
        name = "spatter_like"

    def made(key, images):
        return corruptions.corrupt(key, images, name, severity, constants=constants, photographs=photographs)

    return jax.jit(made)


def one_by_one(module, name, images):
    return [module.corrupt(image, corruption_name=name, severity=SEVERITY) for image in images]


def measured(side: int, module) -> dict[str, dict]:
    """By corruption: milliseconds an image of both, ratios, and seconds to compile."""
    x = random_images(SIZES[side], side)
    found, device = {}, jax.device_put(x)
    for name in NAMES:
        keys = itertools.cycle(jax.random.split(jax.random.key(1), 64))
        start = time.perf_counter()
        compiled = ours(name, SEVERITY, "imagenet").lower(next(keys), device).compile()
        seconds = time.perf_counter() - start
        calls = {"jaxmix": lambda compiled=compiled, keys=keys: compiled(next(keys), device)}
        few = x[:1] if side > 100 else x[:4]
        if module:
            calls["imagecorruptions"] = functools.partial(one_by_one, module, name, few)
        times = measure.interleaved(calls, ROUNDS, SECONDS)
        each = {library: [t / len(few if library != "jaxmix" else x) for t in took] for library, took in times.items()}
        found[name] = {library: {"ms": measure.milliseconds(took)} for library, took in each.items()}
        found[name]["jaxmix"]["compile_seconds"] = seconds
        if module:
            found[name]["imagecorruptions"] |= measure.ratios(each["imagecorruptions"], each["jaxmix"])
        print(side, name, {library: round(row["ms"], 4) for library, row in found[name].items()}, flush=True)
    return found


def sweep(number: int, batch: int) -> dict[str, float]:
    """Seconds for all severities of each of the 15 on `number` images of 32 px, with compilation."""
    x = random_images(batch, 32)
    seconds = {}
    for name in corruptions.MAIN:
        start = time.perf_counter()
        for severity in range(1, 6):
            made = ours(name, severity, "cifar")
            for first in range(0, number, batch):
                key = jax.random.fold_in(jax.random.key(severity), first)
                jax.block_until_ready(made(key, x[: min(batch, number - first)]))
        seconds[name] = time.perf_counter() - start
        print(f"{name}: {seconds[name]:.1f} s", flush=True)
    return seconds


def table(found: dict[int, dict], module) -> str:
    """A Markdown row per corruption: milliseconds an image at each size, theirs and how many times as long."""
    rows = [f"| | {' | '.join(f'{side} px, ms | theirs' for side in found)} |", "|---" * (2 * len(found) + 1) + "|"]
    for name in NAMES:
        cells = []
        for by_name in found.values():
            other = by_name[name].get("imagecorruptions")
            cells += [
                f"{by_name[name]['jaxmix']['ms']:.3f}",
                f"{other['ms']:.2f} ({other['ratio']:.1f})" if other else "",
            ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    if module:
        for side, by_name in found.items():
            ratio = statistics.median(by_name[name]["imagecorruptions"]["ratio"] for name in corruptions.MAIN)
            rows.append(f"\nmedian over the 15 at {side} px: {ratio:.1f} times as fast")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", action="store_true", help="time 15 x 5 x 10,000 images of 32 px instead")
    parser.add_argument("--number", type=int, default=10_000, help="images of the sweep")
    parser.add_argument("--batch", type=int, default=1000, help="images at once in the sweep; divides their number")
    arguments = parser.parse_args()
    if arguments.sweep:
        seconds = sweep(arguments.number, arguments.batch)
        print(f"{sum(seconds.values()):.0f} s in all for 15 x 5 x {arguments.number} images")
        path = measure.write("corruptions_sweep", images=arguments.number, seconds=seconds, total=sum(seconds.values()))
    else:
        module = theirs()
        found = {side: measured(side, module) for side in SIZES}
        print(table(found, module))
        path = measure.write("corruptions", severity=SEVERITY, batch=SIZES, rounds=ROUNDS, results=found)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
