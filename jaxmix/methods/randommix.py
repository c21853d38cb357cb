"""RandomMix (Liu et al., 2022): one of several methods, chosen at random for every batch."""

from collections.abc import Sequence

import jax
from jax.typing import ArrayLike

from jaxmix import arguments
from jaxmix.combinators import Method, one_of
from jaxmix.methods.cutmix import cutmix
from jaxmix.methods.fmix import fmix
from jaxmix.methods.mixup import mixup
from jaxmix.methods.resizemix import resizemix
from jaxmix.mix import Mix

__all__ = ["randommix"]


@arguments.method
def randommix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    methods: Sequence[Method] = (mixup, cutmix, resizemix, fmix),
    weights: ArrayLike | Sequence[ArrayLike] = (1.0, 1.0, 1.0, 1.0),
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Mix the batch by one of several methods, drawn in proportion to their weights.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        methods: what to choose from; each takes key, batch and per_batch (and partner, where it is given).
        weights: one value for each method, 0 or more; may be traced. WideResNet: (3, 1, 1, 1).
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one draw for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, weights that don't match
            the methods.

    Whether the paper draws per batch could not be found; it is the natural reading.

    Reference: Xiaoliang Liu, Furao Shen, Jian Zhao, Changhai Nie. RandomMix: A Mixed Sample Data Augmentation Method
    with Multiple Mixed Modes. arXiv 2205.08728, 2022.

    >>> images, mix = jax.jit(randommix)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> images.shape, mix.weight.shape
    ((4, 8, 8, 3), (4, 2))
    """
    options = {"per_batch": per_batch} | ({} if partner is None else {"partner": partner})
    return one_of(methods, weights)(key, batch, **options)
