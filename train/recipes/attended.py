"""Methods whose labels are weighted by the attention of a vision transformer: what they need, and TokenMix."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float

import jaxmix
from jaxmix import masks
from jaxmix.mix import Mix

__all__ = ["cells", "require_attention", "tokenmix"]

# Tokens along a side, of images of 224 pixels in patches of 16.
GRID = 14


def require_attention(network: Callable[[nnx.Rngs], Any]) -> None:
    """Raises ValueError for a network that doesn't give its attention, see `models.vision_transformer`."""
    if not hasattr(nnx.eval_shape(lambda: network(nnx.Rngs(0))), "features_and_attention"):
        raise ValueError(
            "--method weights the labels by the attention of a vision transformer, and --model has none to give: take "
            "deit-s16 or vit-s16, or a method without attention, such as cutmix."
        )


def cells(side: int) -> int:
    """The largest number of tokens along a side, up to 14, that divides it."""
    return max(number for number in range(1, GRID + 1) if side % number == 0)


def tokenmix(
    key: jax.Array,
    images: Float[Array, "b h w c"],
    *,
    cells: int = GRID,
    share: ArrayLike = 0.5,
    tokens: Callable[..., masks.Tokens] = masks.token_blocks,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Take the tokens of a mask from the partner, and weight the labels by their number.

    Args:
        key: PRNG key.
        images: [b h w c].
        cells: tokens along each side, a divisor of h and w.
        share: of the tokens that are taken, to which a fourteenth is added: 57 % with 0.5.
        tokens: (key, shares [d], rows, columns, least=...) -> masks, `jaxmix.masks.token_blocks` or `random_tokens`.
        partner: index of each sample's partner; by default the next sample.
        per_batch: one mask for the whole batch, as in the authors' code.
    """
    size = images.shape[0]
    given = jaxmix.partners.following(size) if partner is None else jnp.asarray(partner)
    shares = jnp.full(1 if per_batch else size, share, jnp.float32)
    mix = jaxmix.pair(given, *tokens(key, shares, cells, cells, least=max(cells * cells // GRID, 1)))
    return jaxmix.apply(mix, images), mix
