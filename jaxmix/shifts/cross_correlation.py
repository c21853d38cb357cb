"""Cross-correlations of pairs at all lags: `c[y, b, x] = sum over i, j of first[b, i, j] second[b, i - y, j - x]`.

Several of each pair are added as spectra, so that there is one inverse transform for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxmix import sharding
from jaxmix.shifts import separable_approximation

__all__ = ["by_ffts", "by_matrix_products", "correlate"]

Maps = Float[Array, "b h w"]
Nodes = Float[Array, "b k"]
Lags = Float[Array, "y b x"]
# [cosines, sines] down of [cosines, sines] across
Waves = Any


def correlate(own: Maps, other: Maps, nodes: Nodes) -> Lags:
    """Approximate `sum over i, j of a b / (a + b)` at all lags, where a and b are own and the moved other there.

    Up to 128 pixels the transforms are products with matrices: on CPU they take half the time of FFTs at 32 pixels, and
    three quarters from 64 to 128, but twice as long at 224, for their cost grows with the cube of the side.
    """
    return (by_matrix_products if max(own.shape[1:]) <= 128 else by_ffts)(own, other, nodes)


def _sum_spectra(
    cross_spectrum: Callable[[Array, Array], Any], own: Array, other: Array, nodes: Nodes, axis: int
) -> Any:
    """The sum over the terms of `cross_spectrum(first, second)`. The maps have the batch along the axis."""

    def broadcast(values: Float[Array, "b"]) -> Array:
        return jnp.expand_dims(values, [a for a in range(3) if a != axis])

    def spectrum(node: Float[Array, "b"], weight: Float[Array, "b"]) -> Any:
        return cross_spectrum(*separable_approximation.term(own, shared, other, broadcast(node), broadcast(weight)))

    terms = nodes.T, separable_approximation.weights(nodes).T
    shared = separable_approximation.shared_factor(own, tuple(broadcast(node) for node in terms[0]))
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(spectrum, *[x[0] for x in terms]))

    def add(total: Any, term: tuple[Array, Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, spectrum(*term)), None

    return jax.lax.scan(add, sharding.varying(own, zero), terms)[0]


def by_matrix_products(own: Maps, other: Maps, nodes: Nodes) -> Lags:
    """Correlate by matrix products, all over frequencies (p + 1/2) / 2h: none is 0, so each has a sine and a cosine."""
    size, height, width = own.shape
    rows, columns = _waves(np.arange(height), height), _waves(np.arange(width), width)

    def transform(x: Float[Array, "h b w"]) -> Waves:
        waves = _matmul(_matmul(rows, x.reshape(height, -1)).reshape(-1, width), columns.T)
        waves = waves.reshape(2, height, size, 2, width)
        return [[waves[p, :, :, q] for q in (0, 1)] for p in (0, 1)]

    def cross_spectrum(first: Array, second: Array) -> Waves:
        return _cross_spectrum(transform(first), transform(second))

    total = _sum_spectra(cross_spectrum, jnp.moveaxis(own, 0, 1), jnp.moveaxis(other, 0, 1), nodes, 1)
    waves = jnp.concatenate([jnp.concatenate(across, 2) for across in total])
    rows = _waves(np.arange(1 - height, height), height) / np.float32(height)
    columns = _waves(np.arange(1 - width, width), width) / np.float32(width)
    flat = _matmul(rows.T, waves.reshape(2 * height, -1)).reshape(-1, 2 * width)
    return _matmul(flat, columns).reshape(2 * height - 1, size, 2 * width - 1)


def _matmul(x: Array | np.ndarray, y: Array | np.ndarray) -> Array:
    return jnp.matmul(x, y, precision="highest")


def _waves(places: np.ndarray, side: int) -> np.ndarray:
    """Cosines, then sines, of `side` frequencies at some places: [2 side, places]."""
    angle = (np.arange(side)[:, None] + 0.5) * (np.pi / side) * places[None]
    return np.concatenate([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _cross_spectrum(a: Waves, b: Waves) -> Waves:
    """The spectrum of the correlation, from those of the two maps: [[cos cos, cos sin], [sin cos, sin sin]].

    Along each axis: its cosines are `cos a cos b + sin a sin b`, its sines `sin a cos b - cos a sin b`.
    """
    (acc, acs), (asc, ass) = a
    (bcc, bcs), (bsc, bss) = b
    return (
        (acc * bcc + acs * bcs + asc * bsc + ass * bss, acs * bcc - acc * bcs + ass * bsc - asc * bss),
        (asc * bcc - acc * bsc + ass * bcs - acs * bss, ass * bcc - asc * bcs - acs * bsc + acc * bss),
    )


def by_ffts(own: Maps, other: Maps, nodes: Nodes) -> Lags:
    """Correlate by FFTs: real along the columns of the rows that are not 0, then complex along the rows."""
    from scipy import fft  # here, since it takes as long to import as the rest of the library

    height, width = own.shape[1:]
    tall, wide = (fft.next_fast_len(2 * side - 1) for side in (height, width))

    def transform(x: Maps) -> Complex[Array, "b x y"]:
        return jnp.fft.fft(jnp.swapaxes(jnp.fft.rfft(x, wide, 2), 1, 2), tall, 2)

    def cross_spectrum(first: Maps, second: Maps) -> Complex[Array, "b x y"]:
        return transform(first) * jnp.conj(transform(second))

    total = jnp.fft.ifft(_sum_spectra(cross_spectrum, own, other, nodes, 0), axis=2)
    total = jnp.moveaxis(_signed_lags(total, height, 2), 2, 0)
    return _signed_lags(jnp.fft.irfft(total, wide, 2), width, 2)


def _signed_lags(x: Array, side: int, axis: int) -> Array:
    """Lags 1 - side to side - 1; a transform has the negative ones at its end."""
    length = x.shape[axis]
    negative = jax.lax.slice_in_dim(x, length - side + 1, length, axis=axis)
    return jnp.concatenate([negative, jax.lax.slice_in_dim(x, 0, side, axis=axis)], axis)
