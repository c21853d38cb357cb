"""ResizeMix (Qin et al., 2020): the whole partner is shrunk and pasted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, masks, sampling, warps
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, pair

__all__ = ["paste", "resizemix"]


@arguments.method
def resizemix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    scale: tuple[ArrayLike, ArrayLike] = (0.1, 0.8),
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Shrink the partner by t and paste it whole, at a uniform place.

        x' = x outside the box, partner shrunk inside;   box sides = floor(t * side),   t ~ U(scale)

    The box is shifted inside the image, never cut, and its pixels are copies of the nearest source pixel.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        scale: lowest and highest t, from 0.001 to 1; may be traced.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one t for the whole batch, as in the authors' code (places are still per sample, as there).

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, scale outside [0.001, 1].

    Reference: Jie Qin, Jiemin Fang, Qian Zhang, Wenyu Liu, Xingang Wang, Xinggang Wang. ResizeMix: Mixing Data with
    Preserved Object Information and True Labels. arXiv 2012.11101, 2020.

    >>> images, mix = jax.jit(resizemix)(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), scale=(0.5, 0.5))
    >>> mix.weight[0].tolist()
    [0.75, 0.25]
    """
    scale_key, center_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    samples, height, width, _ = x.shape
    low, high = arguments.interval("scale", scale, low=0.001, high=1.0)
    ratio = jnp.broadcast_to(sampling.uniform(scale_key, low, high, draws), (samples,))
    largest = arguments.concrete(scale[1])
    if largest is not None and largest * min(height, width) < 1:
        raise ValueError(
            f"scale is {scale}, by which images of {height} x {width} shrink to nothing; wanted a largest of "
            f"{1 / min(height, width):.2g} or more: for signals [b t 1 c] there is cutmix(box=jaxmix.masks.row_band)"
        )
    center = masks.uniform_center(center_key, samples, height, width)
    mix = paste(ratio, center, partner, height, width)
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix


def paste(
    ratio: Float[Array, "b"], center: tuple[Array, Array], partner: Int[Array, "b"], height: int, width: int
) -> Mix:
    """Make the mix that pastes partners shrunk by `ratio` into boxes around `center` (y, x), inside the image."""
    box_height, box_width = (jnp.floor(ratio * side).astype(jnp.int32) for side in (height, width))
    top, left = masks.inner_corner((box_height, box_width), center, height, width)
    rows, columns = masks.window(top, top + box_height, height), masks.window(left, left + box_width, width)
    return pair(partner, *masks.outer(rows, columns), warps.resize_into(ratio, top, left, height, width))
