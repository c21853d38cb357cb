"""The figure of a card: four images under one method, rendered when the site is built.

The images come with scikit-image: astronaut (NASA, public domain); cat, coffee and rocket (CC0).
"""

import functools
import inspect
import pathlib

import jax
import numpy as np
from PIL import Image

import jaxmix
from jaxmix import saliency, visualize

__all__ = ["caption", "render"]

SIDE = 112  # divisible by the blocks of every method
NAMES = ["astronaut", "cat", "coffee", "rocket"]
# Of each image the square to show: its file, top, left and side.
SQUARES = [
    ("astronaut.png", 0, 110, 256),
    ("chelsea.png", 0, 80, 300),
    ("coffee.png", 20, 120, 360),
    ("rocket.jpg", 0, 180, 300),
]
# Where the defaults would show little on images of this size, or on four of them.
OPTIONS = {
    "cutout": {"size": 56},
    "puzzlemix": {"blocks": 8},
    "comixup": {"blocks": 4, "group": 4},
    "gridmix": {"cells": 7},
    "gridmixup": {"holes": 7},
    "dropblock": {"block": 16},
    "patch_gaussian": {"width": 80},
    "patch_uniform": {"width": 80},
}
# Draws in which every sample shows some of both images.
SEEDS = {
    "cutmix": 17,
    "fmix": 4,
    "gridmix": 4,
    "gridmixup": 12,
    "mixup": 23,
    "pixmix": 18,
    "puzzlemix": 21,
    "randommix": 3,
    "resizemix": 4,
    "sage": 22,
    "saliencymix": 19,
    "smoothmix_c": 13,
    "smoothmix_s": 22,
    "snapmix": 14,
}


@functools.cache
def images() -> np.ndarray:
    """The four images, uint8 [4 SIDE SIDE 3]."""
    import skimage.data

    folder = pathlib.Path(skimage.data.__file__).parent
    found = []
    for name, top, left, side in SQUARES:
        with Image.open(folder / name) as image:
            square = image.convert("RGB").crop((left, top, left + side, top + side))
        found.append(np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)))
    return np.stack(found)


@functools.cache
def maps() -> jax.Array:
    """Saliency of the pixels, smoothed."""
    return jax.jit(lambda x: saliency.smooth(saliency.fine_grained(x).astype("float32"), sigma=4.0, size=15))(images())


@functools.cache
def attention() -> jax.Array:
    """The maps in cells of 7 pixels a side."""
    return maps().reshape(4, 7, SIDE // 7, 7, SIDE // 7).mean((2, 4))


@functools.cache
def arguments(name: str) -> list[jax.Array]:
    """What a method takes after the batch."""
    if name == "pixmix":
        return [jaxmix.mixing_images(jax.random.key(0), 16, SIDE + 14)]
    known = {"saliency": maps(), "attention": attention(), "cam": attention(), "labels": jax.numpy.arange(4)}
    parameters = list(inspect.signature(getattr(jaxmix, name)).parameters.values())[2:]
    return [known[p.name] for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def sheet(name: str) -> Image.Image:
    """The contact sheet of a method."""
    options, guides = OPTIONS.get(name, {}), arguments(name)
    method, key = jax.jit(functools.partial(getattr(jaxmix, name), **options)), jax.random.key(SEEDS.get(name, 1))
    x = jax.numpy.asarray(images())
    if name == "dropblock":
        dropped = method(key, x.astype("float32") / 255)
        made, mix = np.clip(dropped, 0, 1), jax.jit(jaxmix.mixup)(key, x)[1]
        mix = jaxmix.Mix(mix.source[:, :1], mix.weight[:, :1] * 0 + 1, mix.mask[:, :1] * 0 + 1, (None,))
    elif name == "attend":
        made, mix = jax.jit(jaxmix.cutmix)(jax.random.key(SEEDS["cutmix"]), x)
        mix = method(mix, jaxmix.apply(mix, attention()))
    else:
        made, mix = method(key, x, *guides)
    # Co-Mixup's slots are rows enough without their maps, and PixMix has none.
    shown = guides[0] if guides and name not in ("comixup", "pixmix") else None
    return visualize.contact_sheet(images(), made, mix, np.arange(4), maps=shown, names=NAMES, count=4, tile=112)


def caption(name: str) -> str:
    """What the figure shows, as Markdown."""
    options = ", ".join(f"{option}={value}" for option, value in OPTIONS.get(name, {}).items())
    said = [f"Four samples of a batch, mixed with `{options}`." if options else "Four samples of a batch."]
    if name == "dropblock":
        said = [f"Four images taken for features, with `{options}`: each of their channels has squares of its own."]
    if name == "attend":
        said = ["Four samples of a batch, mixed by CutMix; their labels are weighted by fine-grained saliency, which"]
        said.append("stands for the attention of a network.")
    if name == "pixmix":
        said.append("Its mixing set is 16 of `jaxmix.mixing_images`.")
    elif arguments(name):
        whose = "Its maps, not in the figure," if name == "comixup" else "The maps"
        said.append(f"{whose} are fine-grained saliency of the pixels, smoothed; a network's would be sharper.")
    return " ".join(said)


def render(name: str, folder: pathlib.Path) -> None:
    """Write the figure of a method, unless there is one that is newer than the library."""
    target = folder / f"{name}.webp"
    sources = [pathlib.Path(__file__), *pathlib.Path(jaxmix.__file__).parent.rglob("*.py")]
    if target.exists() and target.stat().st_mtime > max(file.stat().st_mtime for file in sources):
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)  # compiling takes longer than all else here
    try:
        sheet(name).save(target, quality=92)
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
