"""SaliencyMix (Uddin et al., 2021): the box around the partner's most salient pixel is pasted at the same place."""

from __future__ import annotations

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, masks, sampling
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, pair
from jaxmix.saliency import peak
from jaxmix.sharding import sharded_like

__all__ = ["saliencymix"]


@arguments.method
def saliencymix(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: jax.Array,
    *,
    alpha: ArrayLike = 1.0,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Paste the box of the partner around its most salient pixel, and weight the labels by its area.

        x' = x outside the box, x[partner] inside;   box sides = side * sqrt(s),   s ~ Beta(alpha, alpha),
        box center = argmax of saliency[partner]

    The box is CutMix's, cut at the border. Of several equal peaks the first is taken, row by row; so a flat map, or
    one with a value that isn't finite, puts the center at the first pixel.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: of each image, [b h w], floating or uint8, from `jaxmix.saliency.fine_grained` (the authors'
            choice) or a gradient; or coarser, then the center is the middle of the block. No gradient flows into it.
        alpha: Beta parameter, above 0; may be traced.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one box for the whole batch, as in the authors' code, instead of one per sample: around the peak of
            the first sample's partner.

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, one sample and no partner or a wrong one,
            alpha not above 0.

    Differs from the authors' code: that gives OpenCV normalized floats, whose bytes it takes for pixels, so that the
    peaks are nearly random; and it takes one peak for the whole batch (per_batch=True). They mix a batch with
    probability 0.5 on CIFAR: `jaxmix.sometimes(jaxmix.saliencymix, 0.5)`.

    Reference: A F M Shahab Uddin, Mst. Sirazam Monira, Wheemyung Shin, TaeChoong Chung, Sung-Ho Bae. SaliencyMix: A
    Saliency Guided Data Augmentation Strategy for Better Regularization. ICLR 2021.

    >>> x = jax.numpy.zeros((4, 8, 8, 3))
    >>> images, mix = jax.jit(saliencymix)(jax.random.key(0), x, x[..., 0].at[:, 3, 5].set(1))
    >>> mix.mask[:, 1, 3, 5].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    maps, (height, width) = arguments.maps("saliency", saliency, x), x.shape[1:3]
    share = sampling.beta(key, alpha, draws)
    center = _center(maps, partner[:draws], height, width)
    mix = pair(partner, *masks.outer(*masks.even_box(share, center, height, width)))
    return copy_shown(mix.source, mix.mask, mix.warps, x), mix


@sharded_like("maps", axes=0)
def _center(
    maps: Float[Array, "b n m"], of: Int[Array, "d"], height: int, width: int
) -> tuple[Int[Array, "d"], Int[Array, "d"]]:
    """The pixel (y, x) in the middle of the peak of the maps of some samples."""

    def middle(place: Int[Array, "b"], block: int) -> Int[Array, "d"]:
        return place[of] * block + block // 2

    y, x = peak(maps)
    return middle(y, height // maps.shape[1]), middle(x, width // maps.shape[2])
