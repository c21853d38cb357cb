"""1 / x as a sum of exponentials, which makes `a b / (a + b)` a sum of products."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Ranges of x for which there is a sum, in decades below 1.
_DECADES = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]


def exponentials(
    own: Float[Array, "b h w"], other: Float[Array, "b h w"], nodes: int
) -> tuple[Float[Array, "b k"], Float[Array, "b k"]]:
    """Exponents t and logarithms of weights w of each pair, so that `1 / x ~ sum over k of w[k] exp(-t[k] x)`.

    Good for x from what is typical of the fainter of the two maps (half of it) to the sum of their peaks.
    """
    (peak, faint), (other_peak, other_faint) = _levels(own), _levels(other)
    span = peak + other_peak
    decades = jnp.log10(2 * span / jnp.minimum(faint, other_faint))
    exponents, weights = (jnp.asarray(table) for table in _table(nodes))
    which = jnp.clip(jnp.round(2 * (decades - _DECADES[0])), 0, len(_DECADES) - 1).astype(jnp.int32)
    return exponents[which] / span[:, None], jnp.log(weights[which]) - jnp.log(span)[:, None]


def _levels(maps: Float[Array, "b h w"]) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
    """The peak of a map, and the geometric mean of its pixels, each weighed by its fourth root.

    The root leaves out what is 0, and counts a faint background for what it adds up to.
    """
    peak = jnp.maximum(maps.max((1, 2)), 1e-20)
    part = maps / peak[:, None, None]
    root = jnp.sqrt(jnp.sqrt(part))
    mean = (root * jnp.log(jnp.maximum(part, 1e-12))).sum((1, 2)) / jnp.maximum(root.sum((1, 2)), 1e-20)
    return peak, peak * jnp.exp(mean)


@functools.cache
def _table(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents and weights of the least relative squares, for x from 10^-d to 1, one row for each d of _DECADES."""
    table = np.array([_fit(nodes, 10.0**-decades) for decades in _DECADES], np.float32)
    return table[:, 0], table[:, 1]


def _fit(nodes: int, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg and Marquardt's method on log t and log w, from exponents of equal ratios."""
    x = np.geomspace(lowest, 1, 200)[:, None]
    ratio = np.log(4 / lowest) / nodes
    t = np.log(ratio) + ratio * np.arange(nodes)
    place, damping = np.concatenate([t, t + np.log(ratio)]), 1e-3

    def terms(place):
        return x * np.exp(place[nodes:] - x * np.exp(place[:nodes]))

    for _ in range(40):
        now = terms(place)
        slope = np.concatenate([-x * np.exp(place[:nodes]) * now, now], 1)
        error = 1 - now.sum(1)
        brake = np.diag(np.sqrt(damping * np.square(slope).sum(0)))
        step = np.linalg.lstsq(np.concatenate([slope, brake]), np.pad(error, (0, 2 * nodes)), rcond=None)[0]
        there = place + np.clip(step, -1, 1)
        better = np.square(1 - terms(there).sum(1)).sum() < np.square(error).sum()
        place, damping = (there, damping / 10) if better else (place, damping * 3)
    return np.exp(place[:nodes]), np.exp(place[nodes:])
