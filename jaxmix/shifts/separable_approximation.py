"""`a b / (a + b)` as a sum of a few products, by interpolation in a.

    a b / (a + b) ~ sum over k of  L_k(a) * s_k b / (s_k + b),   L_k(a) = 2 a / (a + s_k) * F_k(a) / F_k(s_k),
    F_k(a) = product over m other than k of (a - s_m) / (a + s_m)

At the nodes s_k it is exact, for a as for b. Elsewhere the relative error is the product over all m of
(a - s_m) / (a + s_m) * (b - s_m) / (b + s_m): below 1 everywhere, and tiny between nodes in equal ratios.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

# Neighbouring nodes are in a ratio of 2 or more, so that no L is far above 1; and fainter parts don't matter.
_LEAST_RATIO, _FAINTEST = 2.0, 1e-6


def nodes(own: Float[Array, "b h w"], other: Float[Array, "b h w"], number: int) -> Float[Array, "b k"]:
    """The nodes of each pair, in equal ratios from below the higher peak to below what is typical of the fainter map.

    How far below was tried out: it hardly matters.
    """
    (peak, typical), (other_peak, other_typical) = _levels(own), _levels(other)
    top, bottom = 0.6 * jnp.maximum(peak, other_peak), 0.3 * jnp.minimum(typical, other_typical)
    span = jnp.minimum(top / bottom, 1 / _FAINTEST)
    wide = jnp.maximum(span, _LEAST_RATIO ** (number - 1))
    first, ratio = top * jnp.sqrt(wide / span), wide ** (1 / max(number - 1, 1))
    return first[:, None] * ratio[:, None] ** -jnp.arange(number, dtype=jnp.float32)[None]


def _levels(maps: Float[Array, "b h w"]) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
    """The peak of a map, and the geometric mean of its pixels, each weighed by its fourth root.

    The root leaves out what is 0, and counts a faint background for what it adds up to.
    """
    peak = jnp.maximum(maps.max((1, 2)), 1e-20)
    part = maps / peak[:, None, None]
    root = jnp.sqrt(jnp.sqrt(part))
    mean = (root * jnp.log(jnp.maximum(part, 1e-12))).sum((1, 2)) / jnp.maximum(root.sum((1, 2)), 1e-20)
    return peak, peak * jnp.exp(mean)


def weights(nodes: Float[Array, "b k"]) -> Float[Array, "b k"]:
    """1 / F_k(s_k)."""
    node, rest = nodes[:, :, None], nodes[:, None, :]
    same = jnp.eye(nodes.shape[1], dtype=bool)[None]
    return jnp.where(same, 1.0, (node + rest) / jnp.where(same, 1.0, node - rest)).prod(2)


def common(own: Array, nodes: tuple[Array, ...]) -> Array:
    """What all L have in common: `2 a * product over m of (a - s_m) / (a + s_m)`."""
    value = 2 * own
    for node in nodes:
        value = value * (_from(own, node) / (own + node))
    return value


def term(own: Array, shared: Array, other: Array, node: Array, weight: Array) -> tuple[Array, Array]:
    """The two factors of one of the products, from what `common` gives."""
    return weight * shared / _from(own, node), node * other / (node + other)


def _from(own: Array, node: Array) -> Array:
    """The difference, but never 0, for it is multiplied with and divided by again."""
    distance = own - node
    return jnp.where(distance == 0, 1e-7 * node, distance)
