"""FMix (Harris et al., 2020): a mask cut from a random low-frequency picture."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxmix import arguments, masks, sampling
from jaxmix.mix import Mix, apply, pair


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
    """Keep the brightest pixels of a random low-frequency picture, and fill the rest from the partner.

        x' = x where the picture is among its share 1 - s brightest, x[partner] elsewhere,   s ~ Beta(alpha, alpha)

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
    away); and the picture is isotropic, as the paper describes it, where an indexing slip makes theirs vary along the
    width with frequencies 0 and 1 only.

    Reference: Ethan Harris, Antonia Marcu, Matthew Painter, Mahesan Niranjan, Adam Pruegel-Bennett, Jonathon Hare.
    FMix: Enhancing Mixed Sample Data Augmentation. arXiv 2002.12047, 2020.

    >>> images, mix = fmix(jax.random.key(0), jax.numpy.zeros((4, 32, 32, 3)))
    >>> mix.mask.shape
    (4, 2, 32, 32)
    """
    share_key, noise_key, round_key = jax.random.split(key, 3)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    height, width = x.shape[1:3]
    decay = arguments.number("decay", decay, low=0.0)
    hard = arguments.concrete(max_soft) == 0
    max_soft = arguments.number("max_soft", max_soft, low=0.0, high=0.5)
    own = 1 - sampling.beta(share_key, alpha, draws)
    picture = spectrum(masks.spectrum_noise(noise_key, draws, height, width), height, width, decay)
    pixels = own * (height * width)
    up = jax.random.uniform(round_key, (draws,), jnp.float32) < 0.5
    count = jnp.where(up, jnp.ceil(pixels), jnp.floor(pixels))
    count = count.astype(jnp.int32)
    soft = jnp.floor(height * width * jnp.minimum(max_soft, jnp.minimum(own, 1 - own))).astype(jnp.int32)
    mask = 1 - (masks.brightest(picture, count) if hard else masks.brightest_soft(picture, count, soft))
    mix = pair(partner, mask)
    return apply(mix, x), mix
