"""`Mix`, which describes how a batch is mixed, and the two equations that apply it to images and labels.

image[b] = sum over s of  mask[b, s] * warp_s(x[source[b, s]])        `apply`
label[b] = sum over s of  weight[b, s] * y[source[b, s]]              `targets`
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.blending import blend, copy_nearest
from jaxmix.numerics import barrier
from jaxmix.sharding import sharded_like
from jaxmix.warps import Warp

__all__ = ["Mix", "apply", "evenly", "majority", "mirrored", "pair", "require_mix", "targets"]


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


@arguments.annotated
def pair(
    partner: Int[Array, "b"] | Int[np.ndarray, "b"],
    mask: ArrayLike,
    covered: Float[Array, "#b"] | None = None,
    warp: Warp | None = None,
) -> Mix:
    """Pair every sample with its partner: a mix of two slots.

    Args:
        partner: index of each sample's partner, Int[b].
        mask: the partner's share of each pixel, in [0, 1], [b h w] or [1 h w] for one mask for the whole batch; of any
            dtype, made float32.
        covered: sum of the mask over its pixels, [b] or [1], where it is known without counting. The label is shared
            as the pixels are.
        warp: moves the partner's image before it is blended.

    Raises:
        ValueError: a mask that isn't [b h w] or has known values outside 0..1, or indices that aren't [b] or are out of
            range.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> mix.weight.tolist()
    [[0.75, 0.25], [0.75, 0.25]]
    """
    mask = arguments.shares("mask", mask)
    size = len(partner)
    if mask.ndim != 3 or mask.shape[0] not in (1, size):
        raise ValueError(f"the mask has shape {mask.shape} and partner ({size},); wanted [b h w] (or [1 h w]) and [b]")
    partner = arguments.partners(partner, size)
    if warp is not None and not callable(warp):
        raise ValueError(f"warp came as {type(warp).__name__}; wanted a Warp, as jaxmix.warps has them")
    pixels = mask.shape[1] * mask.shape[2]
    covered = mask.sum((1, 2)) if covered is None else jnp.asarray(covered, jnp.float32)
    source = jnp.stack([jnp.arange(size, dtype=partner.dtype), partner], 1)
    counts = jnp.stack([pixels - covered, covered], 1)
    weight = jnp.broadcast_to(counts / barrier(jnp.full_like(counts, pixels)), (size, 2))
    masks = jnp.broadcast_to(jnp.stack([1 - mask, mask], 1), (size, 2, *mask.shape[1:]))
    return Mix(source, weight, masks, (None, warp))


def apply(mix: Mix, x: Array, *, axes: tuple[int, int] | None = None, nearest: bool = False) -> Array:
    """Blend images, segmentation maps, depth maps, features, videos or volumes as a mix describes.

        out[b] = sum over s of mask[b, s] * warp_s(x[source[b, s]])

    Args:
        mix: from any method, with a mask of one scalar per slot, or of a size that fits x: where x is larger than the
            mask each mask pixel covers a block of x, where x is smaller each pixel of x takes the mean of its block.
        x: [b h w ...], floating or uint8. With masks of one scalar per slot any rank is accepted, e.g. [b d].
        axes: which axes of x are height and width; by default 1 and 2. Needed above rank 4: videos [b t h w c] have
            `axes=(2, 3)`, volumes [b h w z c] `axes=(1, 2)`.
        nearest: copy each pixel from the slot with the largest share of it (the first of equals) instead of blending.
            For maps of class ids, which have no mean: [b h w], of any integer dtype. A pixel whose place no slot has
            (outside an image that was moved) is 0; what Cutout hides keeps its id.

    Returns:
        An array like x, of its dtype. Blended in float32 (float64 for float64); uint8 is rounded to nearest. Under
        masks of 0 and 1 finite values are copied exactly (-0 as 0). A value that isn't finite makes its pixel NaN in
        every output that has its sample in a slot, also where the mask is 0.

    Raises:
        ValueError: x has another batch size, a size that the mask doesn't fit, more than four axes without `axes`, or a
            dtype that can't be blended; a mix that is a part of another one.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> apply(mix, jnp.array([0.0, 1.0])).tolist()
    [0.25, 0.75]
    >>> apply(mix, jnp.array([[[3]], [[7]]]), nearest=True).ravel().tolist()
    [3, 7]
    """
    if not isinstance(nearest, bool):
        raise ValueError(f"nearest is {nearest!r}; wanted True or False")
    array = arguments.numeric("x to mix", x)
    x = jnp.asarray(array if nearest else arguments.pixels(array, "x to mix"))
    _require_whole(mix)
    size = mix.source.shape[0]
    if x.ndim == 0 or x.shape[0] != size:
        raise ValueError(f"the mix is of {size} samples, but x has shape {x.shape}; wanted [{size} ...]")
    place = copy_nearest if nearest else blend
    spatial = mix.mask.shape[2:] != (1, 1) or any(warp is not None for warp in mix.warps) or nearest
    if axes is None and (x.ndim <= 4 or not spatial):
        return place(mix.source, mix.mask, mix.warps, x)
    two = isinstance(axes, tuple | list) and [type(axis) for axis in axes] == [int, int]
    if axes is None or not two or not 1 <= axes[0] < axes[1] < x.ndim:
        raise ValueError(
            f"x has shape {x.shape}, and axes is {axes}; wanted the axes of height and width, two of 1 to {x.ndim - 1} "
            "in this order: pass axes=(2, 3) for videos [b t h w c], axes=(1, 2) for [b h w t c]"
        )
    moved = jnp.moveaxis(x, axes, (1, 2))
    return jnp.moveaxis(place(mix.source, mix.mask, mix.warps, moved), (1, 2), axes)


def _require_whole(mix: Mix) -> None:
    """Refuse what is no mix, and a part of one: its sources lie outside of the part."""
    require_mix(mix)
    source, size = arguments.concrete(mix.source), mix.source.shape[0]
    if source is not None and source.size and not (source.min() >= 0 and source.max() < size):
        raise ValueError(
            f"the mix is of {size} samples and takes samples {source.min()} to {source.max()}; a mix belongs to its "
            "whole batch: apply it to that, and take a part of the result"
        )


def targets(mix: Mix, labels: ArrayLike, num_classes: int | None = None, *, ignore: int | None = None) -> Array:
    """Mix labels into dense targets, for BCE, distillation, regression or other losses.

        out[b] = sum over s of weight[b, s] * y[source[b, s]]

    Args:
        mix: from any method.
        labels: class ids Int[b], soft or multi-hot labels Float[b k], or values to regress, Float[b] or Float[b q].
        num_classes: k; needed with class ids.
        ignore: a class id whose samples contribute 0, as unlabelled ones do.

    Returns:
        Targets in float32, [b k], or [b] for values [b].

    Raises:
        ValueError: class ids without num_classes, labels of another rank, batch size or number of classes; a mix that
            is a part of another one.

    >>> mix = pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))
    >>> targets(mix, jnp.array([0, 2]), 3).tolist()
    [[0.75, 0.0, 0.25], [0.25, 0.0, 0.75]]
    >>> targets(mix, jnp.array([0.0, 2.0])).tolist()
    [0.5, 1.5]
    """
    array = arguments.numeric("labels", labels)
    values = array.ndim == 1 and jnp.issubdtype(array.dtype, jnp.floating)
    if values and (num_classes is not None or ignore is not None):
        raise ValueError(
            f"labels have dtype {array.dtype}, values to regress, with num_classes {num_classes} and ignore {ignore}; "
            "wanted integer class ids with them: call labels.astype(jnp.int32)"
        )
    dense = jnp.asarray(array, jnp.float32)[:, None] if values else arguments.one_hot(array, num_classes, ignore)
    _require_whole(mix)
    if dense.shape[0] != mix.source.shape[0]:
        raise ValueError(
            f"the mix is of {mix.source.shape[0]} samples, but there are {dense.shape[0]} labels; wanted one for each"
        )
    mixed = _combine(mix, dense)
    return mixed[:, 0] if values else mixed


@sharded_like("dense")
def _combine(mix: Mix, dense: Float[Array, "b k"]) -> Float[Array, "b k"]:
    parts = [dense if slot == 0 else dense[mix.source[:, slot]] for slot in range(mix.source.shape[1])]
    # Sources of a part of a mix lie outside of it, which shows only now where the mix is traced.
    inside = ((mix.source >= 0) & (mix.source < len(dense))).all(1, keepdims=True)
    weight = jnp.where(inside, mix.weight, jnp.nan)
    return sum((weight[:, slot, None] * part for slot, part in enumerate(parts)), start=jnp.zeros_like(dense))


def require_mix(mix: Mix) -> None:
    """Refuse what is no Mix."""
    if not isinstance(mix, Mix):
        raise ValueError(f"the mix came as {type(mix).__name__}; wanted a Mix, as methods return it with their images")


def majority(mix: Mix) -> Mix:
    """Give the whole label to the slot of largest weight, the first of equals: One-hot CutMix.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.1.3.

    >>> majority(pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.75))).weight.tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    require_mix(mix)
    largest = jnp.argmax(mix.weight, 1)
    return mix._replace(weight=jax.nn.one_hot(largest, mix.weight.shape[1], dtype=mix.weight.dtype))


def mirrored(mix: Mix) -> Mix:
    """Give samples i and b - 1 - i, paired in reverse, the mask, weight and warps of the first: timm's mode "pair".

    The images are then `apply(mirrored(mix), x)`.

    >>> mix = pair(jnp.array([2, 1, 0]), jnp.array([0.25, 0.5, 1.0])[:, None, None])
    >>> mirrored(mix).weight[:, 1].tolist()
    [0.25, 0.5, 0.25]
    """
    require_mix(mix)
    size, source = len(mix.source), arguments.concrete(mix.source)
    if mix.source.shape[1] != 2 or (source is not None and (source[:, 1] != np.arange(size)[::-1]).any()):
        raise ValueError(
            "the mix isn't of pairs in reverse; wanted one of two slots: partner=jaxmix.partners.reverse(b)"
        )

    def both(values: Array) -> Array:
        return jnp.concatenate([values[: (size + 1) // 2], jnp.flip(values[: size // 2], 0)])

    return Mix(mix.source, *jax.tree.map(both, tuple(mix[1:])))


def evenly(mix: Mix) -> Mix:
    """Share the label equally among all slots, whatever their area: Complete-label CutMix.

    Reference: Yun et al., CutMix, ICCV 2019, section 4.1.3.

    >>> evenly(pair(jnp.array([1, 0]), jnp.full((2, 1, 1), 0.25))).weight.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    require_mix(mix)
    return mix._replace(weight=jnp.full_like(mix.weight, 1 / mix.weight.shape[1]))
