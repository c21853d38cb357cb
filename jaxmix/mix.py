"""`Mix`, which describes how a batch is mixed, and the two equations that apply it to images and labels.

image[b] = sum over s of  mask[b, s] * warp_s(x[source[b, s]])        `apply`
label[b] = sum over s of  weight[b, s] * y[source[b, s]]              `targets`
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.dtypes import narrow, widen
from jaxmix.numerics import barrier
from jaxmix.sharding import sharded_like
from jaxmix.warps import Warp

__all__ = ["Mix", "apply", "evenly", "identity", "majority", "one_hot", "pair", "targets"]


class Mix(NamedTuple):
    """How a batch of b samples was mixed, each output from s slots.

    source: Int[b s]       index of the sample that fills each slot; slot 0 is always the sample itself
    weight: Float[b s]     float32, the slot's share of the label, 0 or more; rows need not sum to 1
    mask:   Float[b s h w] float32, the slot's share of each pixel; h and w may be 1, or divide the images' height and
                           width (each mask pixel then covers a block of image pixels)
    warps:  one per slot   moves the slot's image before it is blended; None leaves it where it is
    """

    source: Int[Array, "b s"]
    weight: Float[Array, "b s"]
    mask: Float[Array, "b s h w"]
    warps: tuple[Warp | None, ...]

    def offset(self, by: Array | int) -> "Mix":
        """Describe the same samples as a part of a larger batch, the first of them at index `by`."""
        return self._replace(source=self.source + jnp.asarray(by, self.source.dtype))


def pair(
    partner: Int[Array, "b"],
    mask: Float[Array, "#b h w"],
    covered: Float[Array, "#b"] | None = None,
    warp: Warp | None = None,
) -> Mix:
    """Pair every sample with its partner: a mix of two slots.

    Args:
        partner: index of each sample's partner, Int[b].
        mask: the partner's share of each pixel, in [0, 1], [b h w] or [1 h w] for one mask for the whole batch.
        covered: sum of the mask over its pixels, [b] or [1], where it is known without counting. The label is shared
            as the pixels are.
        warp: moves the partner's image before it is blended.

    Raises:
        ValueError: a mask that isn't [b h w], or indices that aren't [b] or are out of range.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> mix.weight.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    mask = jnp.asarray(mask)
    if mask.ndim != 3 or np.ndim(partner) != 1 or mask.shape[0] not in (1, np.shape(partner)[0]):
        raise ValueError(
            f"the mask has shape {mask.shape} and partner {np.shape(partner)}; wanted [b h w] (or [1 h w]) and [b]"
        )
    size = np.shape(partner)[0]
    partner = arguments.partners(partner, size)
    pixels = mask.shape[1] * mask.shape[2]
    covered = mask.sum((1, 2)) if covered is None else covered
    source = jnp.stack([jnp.arange(size, dtype=partner.dtype), partner], 1)
    counts = jnp.stack([pixels - covered, covered], 1)
    weight = jnp.broadcast_to(counts / barrier(jnp.full_like(counts, pixels)), (size, 2))
    masks = jnp.broadcast_to(jnp.stack([1 - mask, mask], 1), (size, 2, *mask.shape[1:]))
    return Mix(source, weight, masks, (None, warp))


def identity(size: int, like: Mix | None = None) -> Mix:
    """Make the mix that leaves every sample as it is: of one slot, or of the slots, mask and warps of another mix.

    Args:
        size: number of samples b.
        like: a mix of b samples, as arrays or as their shapes (`jax.eval_shape`), whose structure is wanted.

    >>> identity(2).weight.tolist()
    [[1.0], [1.0]]
    """
    shape, warps = ((size, 1, 1, 1), (None,)) if like is None else (like.mask.shape, like.warps)
    weight = jax.nn.one_hot(jnp.zeros(size, jnp.int32), shape[1], dtype=jnp.float32)
    source = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32)[:, None], weight.shape)
    mask = jnp.broadcast_to(weight[:, :, None, None], shape)
    return Mix(source, weight, mask, tuple(None if warp is None else warp.still() for warp in warps))


def apply(mix: Mix, x: Array) -> Array:
    """Blend images, segmentation maps (one-hot), depth maps or features as a mix describes.

        out[b] = sum over s of mask[b, s] * warp_s(x[source[b, s]])

    Args:
        mix: from any method, with a mask of one scalar per slot, or of a size that fits x: where x is larger than the
            mask each mask pixel covers a block of x, where x is smaller each pixel of x takes the mean of its block.
        x: [b h w ...], floating or uint8. With masks of one scalar per slot any rank is accepted, e.g. [b d].

    Returns:
        An array like x, of its dtype. Blended in float32 (float64 for float64); uint8 is rounded to nearest. Under
        masks of 0 and 1 finite values are copied exactly (-0 as 0). A value that isn't finite makes its pixel NaN in
        every output that has its sample in a slot, also where the mask is 0.

    Raises:
        ValueError: x has another batch size, a size that the mask doesn't fit, or a dtype that can't be blended.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> apply(mix, jnp.array([0.0, 1.0])).tolist()
    [0.25, 0.75]
    """
    x = arguments.pixels(jnp.asarray(x), "x to mix")
    size = mix.source.shape[0]
    if x.ndim == 0 or x.shape[0] != size:
        raise ValueError(f"the mix is of {size} samples, but x has shape {x.shape}; wanted [{size} ...]")
    return _blend(mix, x)


@sharded_like("x", axes=None)
def _blend(mix: Mix, x: Array) -> Array:
    parts = []
    for slot, warp in enumerate(mix.warps):
        # Slot 0 is the sample itself: gathering it would cost as much as the whole blend.
        moved = x if slot == 0 else x[mix.source[:, slot]]
        moved = widen(moved if warp is None else warp(moved))
        parts.append(_fit(mix.mask[:, slot], x.shape).astype(moved.dtype) * moved)
    return narrow(sum(parts[1:], start=parts[0]), x.dtype)


def targets(mix: Mix, labels: Array, num_classes: int | None = None) -> Float[Array, "b k"]:
    """Mix labels into dense targets, for BCE, distillation or other losses.

        out[b] = sum over s of weight[b, s] * y[source[b, s]]

    Args:
        mix: from any method.
        labels: class ids Int[b], or soft labels Float[b k].
        num_classes: k; needed with class ids.

    Raises:
        ValueError: class ids without num_classes, labels of another rank, batch size or number of classes.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> targets(mix, jnp.array([0, 2]), 3).tolist()
    [[0.75, 0.0, 0.25], [0.25, 0.0, 0.75]]
    """
    dense = one_hot(labels, num_classes)
    if dense.shape[0] != mix.source.shape[0]:
        raise ValueError(f"the mix is of {mix.source.shape[0]} samples, but there are {dense.shape[0]} labels")
    return _combine(mix, dense)


@sharded_like("dense")
def _combine(mix: Mix, dense: Float[Array, "b k"]) -> Float[Array, "b k"]:
    parts = [dense if slot == 0 else dense[mix.source[:, slot]] for slot in range(mix.source.shape[1])]
    return sum((mix.weight[:, slot, None] * part for slot, part in enumerate(parts)), start=jnp.zeros_like(dense))


def one_hot(labels: Array, num_classes: int | None) -> Float[Array, "b k"]:
    """Convert labels to float32 [b k]: class ids Int[b] one-hot (NaN where out of range), soft labels as they are."""
    labels = jnp.asarray(labels)
    integer = jnp.issubdtype(labels.dtype, jnp.integer)
    if labels.ndim == 1 and integer:
        if num_classes is None:
            raise ValueError("labels are class ids, so num_classes is needed: pass num_classes=k")
        inside = (labels >= 0) & (labels < num_classes)
        return jnp.where(inside[:, None], jax.nn.one_hot(labels, num_classes, dtype=jnp.float32), jnp.nan)
    if labels.ndim != 2 or integer:
        raise ValueError(
            f"labels have shape {labels.shape} and dtype {labels.dtype}; "
            "wanted integer class ids [b] or floating soft labels [b k]"
        )
    if num_classes is not None and labels.shape[1] != num_classes:
        raise ValueError(f"soft labels have {labels.shape[1]} classes, but num_classes is {num_classes}")
    return labels.astype(jnp.float32)


def majority(mix: Mix) -> Mix:
    """Give the whole label to the slot of largest weight, the first of equals: One-hot CutMix.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.1.3.

    >>> majority(pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.75))).weight.tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    largest = jnp.argmax(mix.weight, 1)
    return mix._replace(weight=jax.nn.one_hot(largest, mix.weight.shape[1], dtype=mix.weight.dtype))


def evenly(mix: Mix) -> Mix:
    """Share the label equally among all slots, whatever their area: Complete-label CutMix.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.1.3.

    >>> evenly(pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))).weight.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    return mix._replace(weight=jnp.full_like(mix.weight, 1 / mix.weight.shape[1]))


def _fit(mask: Float[Array, "b h w"], shape: tuple[int, ...]) -> Array:
    """Resize the mask to an array [b h w ...], with axes of length 1 for the others."""
    size, height, width = mask.shape
    if (height, width) == (1, 1):
        return mask.reshape(size, *[1] * (len(shape) - 1))
    if len(shape) < 3:
        raise ValueError(f"the mix has a mask of {height} x {width}, but x has shape {shape}; wanted [b h w ...]")
    for axis, (have, want) in enumerate(zip((height, width), shape[1:3], strict=True), start=1):
        if want % have == 0:
            mask = jnp.repeat(mask, want // have, axis)
        elif have % want == 0:
            mask = mask.reshape(*mask.shape[:axis], want, have // want, *mask.shape[axis + 1 :]).mean(axis + 1)
        else:
            raise ValueError(
                f"the mix has a mask of {height} x {width}, which doesn't fit x of shape {shape}; wanted sides that "
                "are multiples of the mask's or divide them: resize x first"
            )
    return mask.reshape(*mask.shape, *[1] * (len(shape) - 3))
