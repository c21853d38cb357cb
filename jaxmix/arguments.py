"""Parse and validate the arguments of the methods; each error says what came and what was wanted."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix.partners import following

__all__ = [
    "Batch", "blocks", "class_ids", "color_scale", "concrete", "count", "images", "inputs", "interval", "maps",
    "number", "numbers", "partners", "pixels", "ranked", "some", "unit",
]  # fmt: skip

# Images [b h w c], or a mapping that holds them under "image".
Batch = jax.Array | np.ndarray | Mapping[str, Any]


def images(batch: Batch) -> jax.Array:
    """Parse the images or feature maps [b h w c] of a batch: an array, or a mapping that holds them under "image"."""
    if isinstance(batch, Mapping):
        if "image" not in batch:
            raise ValueError(f'the batch is a mapping with keys {sorted(batch)}; wanted its images under "image"')
        batch = batch["image"]
    if not isinstance(batch, jax.Array | np.ndarray):
        raise ValueError(f"images came as {type(batch).__name__}; wanted an array [b h w c]: call jnp.asarray first")
    shape = batch.shape
    if len(shape) != 4:
        raise ValueError(
            f"images have rank {len(shape)} and shape {shape}; wanted rank 4, [b h w c]: add the missing axis with "
            "x[None] (one image) or x[..., None] (one channel), or reshape vectors [b c] to [b 1 1 c]"
        )
    if 0 in shape:
        raise ValueError(f"images have shape {shape}; wanted at least one sample, pixel and channel")
    if shape[1] in (1, 3) and _is_image_size(*shape[2:]):
        raise ValueError(
            f"images have shape {shape}, which looks like channels first (NCHW); wanted [b h w c]: "
            "call x.transpose(0, 2, 3, 1) first (or mix x.swapaxes(1, 2) if they really have so few rows)"
        )
    return pixels(jnp.asarray(batch), "images")


def _is_image_size(height: int, width: int) -> bool:
    return height == width >= 8 or (min(height, width) >= 16 and max(height, width) <= 2 * min(height, width))


def pixels(x: jax.Array, name: str) -> jax.Array:
    """Validate that the values of x can be blended; class ids and other integers can't."""
    if not jnp.issubdtype(x.dtype, jnp.floating) and x.dtype != jnp.uint8:
        raise ValueError(
            f"{name} have dtype {x.dtype}, which can't be blended; wanted a floating dtype or uint8: "
            "call x.astype(jnp.float32), and one-hot class ids first: jax.nn.one_hot(ids, num_classes)"
        )
    return x


def unit(x: jax.Array, name: str = "images") -> jax.Array:
    """Validate that x is uint8, or floating and from 0 to 1 where its values are known."""
    if x.dtype == jnp.uint8:
        return x
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{name} have dtype {x.dtype}; wanted uint8 in 0..255 or floats in 0..1")
    known = concrete(x)
    if known is not None and not (known.min() >= -1e-3 and known.max() <= 1 + 1e-3):
        raise ValueError(
            f"{name} have values from {float(known.min()):g} to {float(known.max()):g}; wanted 0..1 "
            "(or uint8 in 0..255): undo any normalization first, and normalize afterwards"
        )
    return x


def maps(name: str, values: ArrayLike, x: jax.Array, *, any_size: bool = False) -> jax.Array:
    """Validate maps [b n m] of images [b h w c], float32 without a gradient; n divides h and m w, if not any_size."""
    if not isinstance(values, jax.Array | np.ndarray):
        raise ValueError(f"{name} came as {type(values).__name__}; wanted an array [b h w]: call jnp.asarray first")
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
    return jax.lax.stop_gradient(jnp.asarray(values).astype(jnp.float32))


def inputs(batch: Batch, partner: ArrayLike | None, per_batch: bool) -> tuple[jax.Array, jax.Array, int]:
    """Parse images [b h w c], partners [b], and the number of draws: one per sample, or one for the batch."""
    x = images(batch)
    size = x.shape[0]
    return x, partners(partner, size), 1 if per_batch else size


def partners(partner: ArrayLike | None, size: int) -> jax.Array:
    """Validate the partner of each sample, Int[b]; by default the next sample."""
    if partner is None:
        if size < 2:
            raise ValueError(
                "the batch has one sample, and mixing needs a partner: pass two or more samples, "
                "or partner=jnp.zeros(1, int) to mix the sample with itself"
            )
        return following(size)
    partner = partner if isinstance(partner, jax.Array) else np.asarray(partner)
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
    return jnp.clip(jnp.asarray(partner, jnp.int32), 0, size - 1)


def class_ids(
    values: ArrayLike, axes: Sequence[int | str] = "b", classes: int | None = None, *, name: str = "labels"
) -> Int[Array, "..."]:
    """Validate class ids and convert them to int32.

    An axis is a length, or a letter for any length of 1 or more. With `classes`, known ids are in 0..classes - 1.
    """
    values = values if isinstance(values, jax.Array) else np.asarray(values)
    shape, dtype = values.shape, values.dtype
    fits = len(shape) == len(axes) and all(
        side > 0 if isinstance(axis, str) else side == axis for side, axis in zip(shape, axes, strict=True)
    )
    if not fits or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(
            f"{name} have shape {shape} and dtype {dtype}; wanted integer class ids [{' '.join(map(str, axes))}]: "
            "call argmax(-1) on logits or soft labels"
        )
    known = concrete(values)
    if classes is not None and known is not None and (known.min() < 0 or known.max() >= classes):
        raise ValueError(f"{name} go from {known.min()} to {known.max()}; wanted class ids, 0 to {classes - 1}")
    return jnp.asarray(values).astype(jnp.int32)


def number(
    name: str, value: ArrayLike, *, above: float | None = None, low: float = 0.0, high: float = np.inf
) -> jax.Array:
    """Validate a scalar, as float32 in its range; a traced one becomes the nearest allowed value, NaN the lowest."""
    if isinstance(value, str) or np.shape(value) != () or not _numeric(value):
        what = f"is {value!r}" if isinstance(value, str) or not _numeric(value) else f"has shape {np.shape(value)}"
        raise ValueError(f"{name} {what}; wanted one number")
    low = low if above is None else above
    known = concrete(value)
    if known is None:
        number = jnp.asarray(value, jnp.float32)
        return jnp.where(number >= low, jnp.clip(number, low, min(high, float(jnp.finfo(jnp.float32).max))), low)
    if above is not None and not above < known < np.inf:
        raise ValueError(f"{name} is {known}; wanted a number above {above:g}")
    if not low <= known <= high:
        raise ValueError(f"{name} is {known}; wanted a number from {low:g} to {high:g}")
    return jnp.asarray(value, jnp.float32)


def _numeric(value: object) -> bool:
    return value is not None and np.dtype(getattr(value, "dtype", type(value))).kind in "biufV"


def numbers(name: str, values: ArrayLike | Sequence[ArrayLike], length: int, wanted: str) -> jax.Array:
    """Validate values of 0 or more, not all 0, as float32 [length]; any may be traced, below 0 they then count as 0."""
    parts: Any = list(values) if isinstance(values, Sequence) else values
    known = None if any(concrete(part) is None for part in jax.tree.leaves(parts)) else np.asarray(parts, np.float64)
    found = (len(parts),) if isinstance(parts, list) else np.shape(parts)
    if found != (length,):
        raise ValueError(f"{name} have shape {found}; wanted {wanted}")
    if known is not None and not (np.all(known >= 0) and 0 < known.sum() < np.inf):
        raise ValueError(f"{name} are {known.tolist()}; wanted numbers of 0 or more, at least one above 0")
    if isinstance(parts, list):
        return jnp.stack([number(f"{name}[{i}]", part) for i, part in enumerate(parts)])
    array = jnp.asarray(parts, jnp.float32)
    return jnp.where(array > 0, array, 0.0)


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


def interval(name: str, bounds: tuple[ArrayLike, ArrayLike], *, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    """Validate the two ends of a range, as float32: low <= start <= end <= high."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"{name} is {bounds!r}; wanted two numbers, (lowest, highest)")
    start, end = (number(f"{name}[{i}]", bound, low=low, high=high) for i, bound in enumerate(bounds))
    known = [concrete(bound) for bound in bounds]
    if known[0] is not None and known[1] is not None and known[0] > known[1]:
        raise ValueError(f"{name} is {bounds!r}; wanted the lowest first, then the highest")
    return start, end


def count(name: str, value: int, *, low: int = 1, high: int | None = None) -> int:
    """Validate a static whole number, such as a number of cells: it shapes arrays, so it can't be traced."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} is {value!r}; wanted a Python int: it is static, so it can't be traced under jit")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} is {value}; wanted {low} or more" + ("" if high is None else f", at most {high}"))
    return int(value)


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


def some(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Validate a sequence to choose from, which mustn't be empty."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ValueError(f"{name} is {values!r}; wanted a sequence of one or more")
    return values


def ranked(name: str, values: ArrayLike, rank: int) -> jax.Array:
    """Validate an array of a rank, without an empty axis."""
    array = jnp.asarray(values)
    if array.ndim != rank or 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}; wanted [{'b h w c'[: 2 * rank - 1]}], none of them 0")
    return array


def concrete(value: ArrayLike) -> np.ndarray | None:
    """Return the value where it is known at trace time, None where it is traced."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)
