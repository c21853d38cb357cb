"""Separable approximation of `a b / (a + b)`: a sum of a few products, by interpolation in a.

    a b / (a + b) ~ sum over k of  L_k(a) * s_k b / (s_k + b),   L_k(a) = 2 a / (a + s_k) * F_k(a) / F_k(s_k),
    F_k(a) = product over m other than k of (a - s_m) / (a + s_m)

At the nodes s_k it is exact, for a as for b. Elsewhere the relative error is the product over all m of
(a - s_m) / (a + s_m) * (b - s_m) / (b + s_m): below 1 everywhere, and tiny between nodes in equal ratios.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["nodes", "shared_factor", "term", "weights"]

# Adjacent nodes are in a ratio of 2 or more, so that no L is far above 1; and fainter values are negligible.
_LEAST_RATIO, _FAINTEST = 2.0, 1e-6


def nodes(own: Float[Array, "b h w"], other: Float[Array, "b h w"], number: int) -> Float[Array, "b k"]:
    """The nodes of each pair, in equal ratios from below the higher peak to below the typical value of the fainter map.

    How far below was found by experiment: it hardly matters.
    """
    (peak, typical), (other_peak, other_typical) = _peak_and_typical(own), _peak_and_typical(other)
    top, bottom = 0.6 * jnp.maximum(peak, other_peak), 0.3 * jnp.minimum(typical, other_typical)
    span = jnp.minimum(top / bottom, 1 / _FAINTEST)
    wide = jnp.maximum(span, _LEAST_RATIO ** (number - 1))
    first, ratio = top * jnp.sqrt(wide / span), wide ** (1 / max(number - 1, 1))
    return first[:, None] * ratio[:, None] ** -jnp.arange(number, dtype=jnp.float32)[None]


def _peak_and_typical(maps: Float[Array, "b h w"]) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
    """The peak of a map, and the geometric mean of its pixels, each weighted by its fourth root.

    The root excludes zeros, and counts a faint background by its sum.
    """
    peak = jnp.maximum(maps.max((1, 2)), 1e-20)
    relative = maps / peak[:, None, None]
    root = jnp.sqrt(jnp.sqrt(relative))
    mean = (root * jnp.log(jnp.maximum(relative, 1e-12))).sum((1, 2)) / jnp.maximum(root.sum((1, 2)), 1e-20)
    return peak, peak * jnp.exp(mean)


def weights(nodes: Float[Array, "b k"]) -> Float[Array, "b k"]:
    """1 / F_k(s_k)."""
    node, rest = nodes[:, :, None], nodes[:, None, :]
    same = jnp.eye(nodes.shape[1], dtype=bool)[None]
    return jnp.where(same, 1.0, (node + rest) / jnp.where(same, 1.0, node - rest)).prod(2)


def shared_factor(own: Array, nodes: tuple[Array, ...]) -> Array:
    """The common factor of all L: `2 a * product over m of (a - s_m) / (a + s_m)`."""
    value = 2 * own
    for node in nodes:
        value = value * (_nonzero_difference(own, node) / (own + node))
    return value


def term(own: Array, shared: Array, other: Array, node: Array, weight: Array) -> tuple[Array, Array]:
    """The two factors of one of the products, from `shared_factor`."""
    return weight * shared / _nonzero_difference(own, node), node * other / (node + other)


def _nonzero_difference(own: Array, node: Array) -> Array:
    """Own - node, but never 0, for it is multiplied with and divided by again."""
    difference = own - node
    return jnp.where(difference == 0, 1e-7 * node, difference)
