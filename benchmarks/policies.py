"""Images per second of AugMix and its relatives, next to timm's and torchvision's on Pillow, in one run.

PixMix, which neither of them has, stands next to our AugMix.

    uv run --isolated --with-requirements requirements.lock --with timm --with torchvision --with-editable . \\
        python benchmarks/policies.py

Contenders run interleaved in one process, in random order, round after round; ratios are medians over rounds, in which
the drift of a busy machine cancels. All get 8-bit images: theirs Pillow images one by one, ours the batch, to the
same kind of result. AugMix's severity is 3, RandAugment's 2 operations of magnitude 9; timm fills with grey and takes
bilinear and bicubic warps, torchvision nearest ones and black, as they do by default. What timm does not by default is
the whole RandAugment: it leaves out each operation with probability 1/2. Here "timm" does them all, as the paper says;
"timm, half" is its default.
"""

import functools
import itertools
import time
from collections.abc import Callable
from typing import Any

import measure

measure.with_allocator()

import jax
import numpy as np
import PIL.Image
import timm
import timm.data.auto_augment as timm_policies
import torch
import torchvision
import torchvision.transforms.v2 as torchvision_policies

import jaxmix
from jaxmix.methods import augmix
from jaxmix.pixels import operation_chains, random_operations

SIZES = [(128, 32), (16, 224)]
ROUNDS, SECONDS = 15, 0.3
METHODS: dict[str, Callable[..., Any]] = {
    "augmix": jaxmix.augmix,
    "autoaugment": jaxmix.autoaugment,
    "randaugment": jaxmix.randaugment,
    "trivialaugment": jaxmix.trivialaugment,
    "pixmix": jaxmix.pixmix,
}
# Images of a little more than the side, that PixMix crops from.
MIXING_IMAGES = 64


def random_images(number: int, side: int) -> np.ndarray:
    """Smooth coloured noise, 8 bits."""
    coarse = jax.random.uniform(jax.random.key(0), (number, side // 8, side // 8, 3))
    return np.asarray(jax.image.resize(coarse, (number, side, side, 3), "cubic").clip(0, 1) * 255).astype(np.uint8)


def peers(side: int) -> dict[str, dict]:
    """The transforms of one Pillow image, by method and library."""
    fill = {"translate_const": int(0.45 * side), "img_mean": (124, 116, 104)}
    vision = torchvision_policies
    return {
        "augmix": {
            "timm": timm_policies.augment_and_mix_transform("augmix-m3-w3", {"translate_const": side // 3}),
            "torchvision": vision.AugMix(severity=3, all_ops=False),
        },
        "autoaugment": {
            "timm": timm_policies.auto_augment_transform("original", fill),
            "torchvision": vision.AutoAugment(vision.AutoAugmentPolicy.CIFAR10),
        },
        "randaugment": {
            "timm": timm_policies.rand_augment_transform("rand-m9-n2-p1.0", fill),
            "timm, half": timm_policies.rand_augment_transform("rand-m9-n2", fill),
            "torchvision": vision.RandAugment(2, 9),
        },
        "trivialaugment": {
            # It has no TrivialAugment: RandAugment of one operation.
            "timm": timm_policies.rand_augment_transform("rand-m9-n1-p1.0", fill),
            "timm, half": timm_policies.rand_augment_transform("rand-m9-n1", fill),
            "torchvision": vision.TrivialAugmentWide(),
        },
    }


def one_by_one(transform, images):
    return [transform(image) for image in images]


def compiled(name: str, images: jax.Array, mixing_set: jax.Array) -> Callable[[], jax.Array]:
    """A call of the method on images, of other draws each time, as theirs."""
    key, others = jax.random.key(1), (mixing_set,) if name == "pixmix" else ()
    program = jax.jit(lambda key, *given: METHODS[name](key, *given)[0]).lower(key, images, *others).compile()
    keys = itertools.cycle(jax.random.split(key, 64))
    return lambda: program(next(keys), images, *others)


def measured(number: int, side: int) -> dict[str, dict]:
    x = random_images(number, side)
    images = [PIL.Image.fromarray(image) for image in x]
    device, ours, seconds = jax.device_put(x), {}, {}
    mixing_set = jaxmix.mixing_images(jax.random.key(2), MIXING_IMAGES, side + side // 8)
    for name in METHODS:
        start = time.perf_counter()
        ours[name] = compiled(name, device, mixing_set)
        seconds[name] = time.perf_counter() - start
    found = {}
    for name in METHODS:
        calls = {"jaxmix": ours[name]}
        for library, transform in peers(side).get(name, {}).items():
            calls[library] = functools.partial(one_by_one, transform, images)
        if name == "pixmix":
            calls["AugMix"] = ours["augmix"]
        times = measure.interleaved(calls, ROUNDS, SECONDS)
        found[name] = {
            library: {"images_per_second": number / np.median(took).item()} | measure.ratios(took, times["jaxmix"])
            for library, took in times.items()
        }
        found[name]["jaxmix"]["compile_seconds"] = seconds[name]
    return found


def forms(number: int, side: int) -> dict[str, float]:
    """Milliseconds of AugMix's chains in either form, on this device."""
    levels = jax.device_put(random_images(number, side))
    drawn = augmix.sample(jax.random.key(1), number, 3, 3.0, None, len(augmix.NINE))
    calls = {}
    for name in ("loop_over_images", "vectorized"):
        form = getattr(operation_chains, name)

        def chained(levels, drawn, form=form):
            steps, index, amounts = random_operations.indices_and_amounts(drawn, augmix.NINE, *levels.shape[1:3])
            return form(steps, operation_chains.BILINEAR, levels, index, amounts)

        calls[name] = functools.partial(jax.jit(chained), levels, drawn)
    times = measure.interleaved(calls, ROUNDS, SECONDS)
    return {name: measure.milliseconds(took) for name, took in times.items()}


def table(results: dict[str, dict]) -> str:
    """A Markdown row per method and size: images per second, and how many times as fast as each library."""
    libraries = ("jaxmix", "timm", "timm, half", "torchvision", "AugMix")
    rows = [f"| | {' | '.join(libraries)} | compile, s |", "|---" * (len(libraries) + 2) + "|"]
    for size, found in results.items():
        for name, by_library in found.items():
            cells = [cell(library, by_library.get(library)) for library in libraries]
            rows.append(f"| {name}, {size} | {' | '.join(cells)} | {by_library['jaxmix']['compile_seconds']:.1f} |")
    return "\n".join(rows)


def cell(library: str, found: dict | None) -> str:
    if found is None:
        return ""
    return f"{found['images_per_second']:,.0f}" + (f" ({found['ratio']:.1f})" if library != "jaxmix" else "")


def main() -> None:
    torch.set_num_threads(2)
    results = {f"{number}x{side}x{side}x3": measured(number, side) for number, side in SIZES}
    both = {f"{number}x{side}x{side}x3": forms(number, side) for number, side in SIZES}
    versions = {"timm": timm.__version__, "torchvision": torchvision.__version__, "Pillow": PIL.__version__}
    path = measure.write("policies", versions=versions, images_per_second=results, forms_ms=both)
    print(f"{table(results)}\n\nchains of AugMix, ms: {both}\n\nwritten to {path}")


if __name__ == "__main__":
    main()
