"""Parse and validate a batch and what belongs to it: images, maps and partners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.arguments.labels import to_int32
from jaxmix.arguments.scalars import count, number, numbers
from jaxmix.arguments.tracing import concrete, numeric

__all__ = ["Batch", "blocks", "color_scale", "following", "images", "inputs", "maps", "partners", "pixels", "ranked"]

# Images [b h w c], or a mapping that holds them under "image".
Batch = jax.Array | np.ndarray | Mapping[str, Any]


_ADVICE = {
    0: "add the axes of a batch of images",
    1: "add the axes of one image",
    2: "mix vectors [b c] as x[:, None, None] with jaxmix.mixup",
    3: "add the missing axis with x[None] (one image) or x[..., None] (one channel), or mix signals [b t c] as "
    "x[:, :, None], with jaxmix.mixup or jaxmix.cutmix(box=jaxmix.masks.row_band, center=jaxmix.masks.real_center)",
    5: "make the mix with one frame or slice of each, and apply it to all: _, mix = method(key, x[:, 0]), then "
    "jaxmix.apply(mix, x, axes=(2, 3)) for videos [b t h w c]",
}


def images(batch: Batch) -> jax.Array:
    """Parse the images or feature maps [b h w c] of a batch: an array, or a mapping that holds them under "image"."""
    if isinstance(batch, Mapping):
        if "image" not in batch:
            raise ValueError(
                f'the batch is a mapping with keys {sorted(batch, key=str)}; wanted its images under "image"'
            )
        batch = batch["image"]
    x = _array("images", batch, "[b h w c]")
    shape = x.shape
    if len(shape) != 4:
        advice = _ADVICE.get(len(shape), _ADVICE[5])
        raise ValueError(f"images have rank {len(shape)} and shape {shape}; wanted rank 4, [b h w c]: {advice}")
    if 0 in shape:
        raise ValueError(f"images have shape {shape}; wanted at least one sample, pixel and channel")
    if _looks_like_channels_first(*shape[1:]):
        raise ValueError(
            f"images have shape {shape}, which looks like channels first (NCHW); wanted [b h w c]: "
            "call x.transpose(0, 2, 3, 1) first (or mix x.swapaxes(1, 2) if they really have so few rows)"
        )
    return jnp.asarray(numeric("images", pixels(x, "images")))


def _array(name: str, value: Any, form: str) -> jax.Array | np.ndarray:
    """Refuse what isn't an array of JAX or NumPy, with what to do about it."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        raise ValueError(f"{name} came as a PRNG key; wanted an array {form}: the key stands first, then the batch")
    if isinstance(value, jax.Array | np.ndarray):
        return value
    what, advice = type(value).__name__, "call jnp.asarray first"
    if hasattr(value, "_fields"):
        advice = "the mix is what a method returns"
    elif isinstance(value, tuple):
        advice = "pass the images alone, and mix the labels afterwards: jaxmix.cross_entropy(logits, labels, mix)"
    elif hasattr(value, "__array__"):
        what, advice = f"{type(value).__module__.partition('.')[0]}.{what}", "call np.asarray first"
    raise ValueError(f"{name} came as {what}; wanted an array {form}: {advice}")


def _looks_like_channels_first(channels: int, height: int, width: int) -> bool:
    """Whether [channels height width] are rather those of an image than a few rows of features."""
    shorter, longer = min(height, width), max(height, width)
    return (channels in (1, 3) and height == width >= 8) or (channels <= 4 and shorter >= 16 and longer <= 3 * shorter)


def pixels(x: jax.Array | np.ndarray, name: str) -> jax.Array | np.ndarray:
    """Validate that the values of x can be blended; class ids and other integers can't."""
    if x.dtype.kind in "OSUMmc":
        raise ValueError(f"{name} have dtype {x.dtype}; wanted a floating dtype or uint8")
    if not jnp.issubdtype(x.dtype, jnp.floating) and x.dtype != jnp.uint8:
        raise ValueError(
            f"{name} have dtype {x.dtype}, which can't be blended; wanted a floating dtype or uint8: "
            "call x.astype(jnp.float32), and one-hot class ids first, jax.nn.one_hot(ids, num_classes), or copy them: "
            "jaxmix.apply(mix, ids, nearest=True)"
        )
    return x


def maps(name: str, values: Any, x: jax.Array, *, any_size: bool = False) -> jax.Array:
    """Validate maps [b n m] of images [b h w c], float32 without a gradient; n divides h and m w, if not any_size."""
    values = _array(name, values, "[b h w]")
    size, height, width = x.shape[:3]
    shape, dtype = values.shape, values.dtype
    if len(shape) != 3 or shape[0] != size:
        squeeze = f": drop the last axis with {name}[..., 0]" if len(shape) == 4 and shape[3] == 1 else ""
        raise ValueError(
            f"{name} has shape {shape}; wanted one map per image, [{size} {height} {width}] or coarser{squeeze}"
        )
    if 0 in shape or (not any_size and (height % shape[1] or width % shape[2])):
        raise ValueError(
            f"{name} has maps of {shape[1]} x {shape[2]}, but the images are {height} x {width}; wanted the same sides "
            f"or sides that divide them: call jax.image.resize({name}, ({size}, {height}, {width}), 'bilinear')"
        )
    if not jnp.issubdtype(dtype, jnp.floating) and dtype != jnp.uint8:
        raise ValueError(f"{name} has dtype {dtype}; wanted a floating dtype or uint8")
    return jax.lax.stop_gradient(jnp.asarray(numeric(name, values)).astype(jnp.float32))


def inputs(batch: Batch, partner: ArrayLike | None, per_batch: bool) -> tuple[jax.Array, jax.Array, int]:
    """Parse images [b h w c], partners [b], and the number of draws: one per sample, or one for the batch."""
    x = images(batch)
    size = x.shape[0]
    return x, partners(partner, size), 1 if per_batch else size


def following(size: int) -> jax.Array:
    """The next sample of each; the first for the last."""
    return jnp.roll(jnp.arange(size, dtype=jnp.int32), -1)


def partners(partner: ArrayLike | None, size: int) -> jax.Array:
    """Validate the partner of each sample, Int[b]; by default the next sample."""
    if partner is None:
        if size < 2:
            raise ValueError(
                "the batch has one sample, and mixing needs a partner: pass two or more samples, "
                "or partner=jnp.zeros(1, int) to mix the sample with itself"
            )
        return following(size)
    partner = numeric("partner", partner)
    if partner.shape != (size,) or not jnp.issubdtype(partner.dtype, jnp.integer):
        raise ValueError(
            f"partner has shape {partner.shape} and dtype {partner.dtype}; "
            f"wanted one integer index per sample, shape ({size},)"
        )
    values = concrete(partner)
    if values is not None and (values.min() < 0 or values.max() >= size):
        raise ValueError(
            f"partner has indices from {values.min()} to {values.max()}; wanted indices of the batch, 0 to {size - 1}"
        )
    return jnp.clip(to_int32(partner), 0, size - 1)


def blocks(number: int, x: jax.Array) -> int:
    """Validate a static number of blocks along each side of images [b h w c]: it divides h and w."""
    sides = x.shape[1:3]
    if any(side % count("blocks", number) for side in sides):
        fit = [n for n in range(1, 17) if not any(side % n for side in sides)]
        raise ValueError(
            f"blocks is {number}, which doesn't divide the images' height and width {sides}; wanted a number that "
            f"does: pass one of {fit}, or resize the images"
        )
    return number


def ranked(name: str, values: ArrayLike, rank: int) -> jax.Array:
    """Validate an array of a rank, without an empty axis."""
    array = jnp.asarray(numeric(name, values))
    if array.ndim != rank or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}; wanted [{'b h w c'[: 2 * rank - 1]}], none of them 0")
    return array


def color_scale(std: ArrayLike | Sequence[ArrayLike], x: Array) -> Float[Array, "1 1 1 #c"]:
    """Validate std, by which images x were divided to normalize them, as the factor back to units of [0, 1]."""
    channels = x.shape[3]
    if isinstance(std, Sequence) or np.ndim(std):
        shape = (len(std),) if isinstance(std, Sequence) else np.shape(std)
        length = 1 if shape == (1,) else channels
        factor = numbers("std", std, length, f"one value, or one for each of {channels} channels")
    else:
        factor = number("std", std, above=0.0)[None]
    factor = jnp.maximum(factor, jnp.finfo(jnp.float32).tiny)[None, None, None]
    return factor / 255 if x.dtype == jnp.uint8 else factor
