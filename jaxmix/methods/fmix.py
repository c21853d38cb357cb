"""FMix (Harris et al., 2020): a mask made by thresholding a random low-frequency image."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments, masks, sampling
from jaxmix.blending import copy_shown
from jaxmix.mix import Mix, apply, pair

__all__ = ["fmix"]


@arguments.method
def fmix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    alpha: ArrayLike = 1.0,
    decay: ArrayLike = 3.0,
    max_soft: ArrayLike = 0.0,
    spectrum: Callable[..., jax.Array] = masks.isotropic,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Keep the brightest pixels of a random low-frequency image, and fill the rest from the partner.

        x' = x at the share 1 - s of its brightest pixels, x[partner] elsewhere,   s ~ Beta(alpha, alpha)

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        alpha: Beta parameter, above 0; may be traced.
        decay: how fast amplitudes fall with frequency, 0 or more; may be traced.
        max_soft: half the share of the pixels that a soft edge may take, in [0, 0.5]; may be traced.
        spectrum: `jaxmix.masks.isotropic`, or `jaxmix.masks.authors_anisotropic` for the masks of the authors' code.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one mask for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, alpha not above 0, decay
            or max_soft out of range.

    Differs from the authors' code: labels take the measured share of the mask, where it takes s (less than a pixel
    away); and the image is isotropic, as the paper describes it, where an indexing slip makes theirs vary along the
    width with frequencies 0 and 1 only.

    Reference: Ethan Harris, Antonia Marcu, Matthew Painter, Mahesan Niranjan, Adam Pruegel-Bennett, Jonathon Hare.
    FMix: Enhancing Mixed Sample Data Augmentation. arXiv 2002.12047, 2020.

    >>> images, mix = jax.jit(fmix)(jax.random.key(0), jnp.zeros((4, 8, 8, 3)))
    >>> mix.mask.shape
    (4, 2, 8, 8)
    """
    share_key, noise_key, round_key = jax.random.split(key, 3)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    height, width = x.shape[1:3]
    own = 1 - sampling.beta(share_key, alpha, draws)
    # The authors' spectrum reads two rows of its noise, and of an odd width one column more.
    rows, columns = (2, width + width % 2) if spectrum is masks.authors_anisotropic else (height, width)
    noise = masks.spectrum_noise(noise_key, draws, rows, columns)
    image = spectrum(noise, height, width, arguments.number("decay", decay, low=0.0))
    mix = pair(partner, 1 - _threshold(round_key, image, own, max_soft))
    if arguments.concrete(max_soft) == 0:
        return copy_shown(mix.source, mix.mask, mix.warps, x), mix
    return apply(mix, x), mix


def _threshold(
    key: Array, image: Float[Array, "d h w"], share: Float[Array, "d"], max_soft: ArrayLike
) -> Float[Array, "d h w"]:
    """1 at that share of the brightest pixels, rounded up or down with equal probability; 0 elsewhere."""
    pixels = image.shape[1] * image.shape[2]
    up = jax.random.uniform(key, share.shape, jnp.float32) < 0.5
    count = jnp.where(up, jnp.ceil(share * pixels), jnp.floor(share * pixels)).astype(jnp.int32)
    most = arguments.number("max_soft", max_soft, low=0.0, high=0.5)
    if arguments.concrete(max_soft) == 0:
        return masks.brightest(image, count)
    soft = jnp.floor(pixels * jnp.minimum(most, jnp.minimum(share, 1 - share))).astype(jnp.int32)
    return masks.brightest_soft(image, count, soft)
