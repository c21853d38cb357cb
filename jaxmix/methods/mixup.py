"""mixup (Zhang et al., 2018): a convex combination of two samples."""

import jax
from jax.typing import ArrayLike

from jaxmix import arguments, sampling
from jaxmix.mix import Mix, apply, pair

__all__ = ["mixup"]


@arguments.method
def mixup(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    alpha: ArrayLike = 1.0,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Blend every sample with its partner by one scalar.

        x' = (1 - s) x + s x[partner],   s ~ Beta(alpha, alpha)

    On hidden features this is Manifold Mixup (Verma et al., ICML 2019; alpha 2 on CIFAR): draw a layer, and call it
    there.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        alpha: Beta parameter, above 0; may be traced. ImageNet: 0.2 to 0.4.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one share for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, alpha not above 0.

    Differs from the authors' code: the partner is the next sample, where it is `jaxmix.partners.shuffle`; and shares
    are drawn per sample unless `per_batch`.

    Reference: Hongyi Zhang, Moustapha Cisse, Yann N. Dauphin, David Lopez-Paz. mixup: Beyond Empirical Risk
    Minimization. ICLR 2018.

    >>> images, mix = jax.jit(mixup)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 2))
    """
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    share = sampling.beta(key, alpha, draws)
    mix = pair(partner, share[:, None, None])
    return apply(mix, x), mix
