"""Cross-correlations of all pairs at all shifts, `c[dy, b, dx] = sum over i, j of own[b, i, j] other[b, i-dy, j-dx]`.

What is correlated are the maps times exponentials of them, one after the other, and the results are summed up. They
are summed up as spectra, so that there is one inverse transform for all.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix import placement


def correlate(
    own: Float[Array, "b h w"],
    other: Float[Array, "b h w"],
    exponents: Float[Array, "b k"],
    log_weights: Float[Array, "b k"],
) -> Float[Array, "y b x"]:
    """The sum over k of w[k] times the correlation of `own exp(-t[k] own)` with `other exp(-t[k] other)`.

    Up to 128 pixels the transforms are products with matrices: on CPU faster than FFTs by a half at 32 pixels and by a
    quarter at 64, and on TPU what the hardware is made for. Their cost grows with the cube of the side.
    """
    transform = by_products if max(own.shape[1:]) <= 128 else by_ffts
    return transform(own, other, exponents, log_weights)


def _summed(spectrum: Callable, like: Array, exponents: Array, log_weights: Array):
    """The sum of spectrum(t, log w / 2) over the nodes; each of the two maps gets half of the weight."""
    halves = exponents.T, log_weights.T / 2
    zero = jax.tree.map(
        lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(spectrum, *[x[0] for x in halves])
    )

    def add(total, half):
        return jax.tree.map(jnp.add, total, spectrum(*half)), None

    return jax.lax.scan(add, placement.varying(like, zero), halves)[0]


def by_products(own, other, exponents, log_weights):
    """With products of matrices, all over frequencies (p + 1/2) / 2h: none is 0, so each has a sine and a cosine."""
    size, height, width = own.shape
    maps = jnp.moveaxis(jnp.concatenate([own, other]), 0, 1)
    rows, columns = _waves(np.arange(height), height), _waves(np.arange(width), width)

    def spectrum(exponent, half):
        exponent, half = (jnp.concatenate([x, x])[None, :, None] for x in (exponent, half))
        flat = (maps * jnp.exp(half - exponent * maps)).reshape(height, -1)
        waves = _matmul(_matmul(rows, flat).reshape(-1, width), columns.T).reshape(2, height, 2, size, 2, width)
        return _correlation(*([[waves[p, :, s, :, q] for q in (0, 1)] for p in (0, 1)] for s in (0, 1)))

    total = _summed(spectrum, own, exponents, log_weights)
    waves = jnp.concatenate([jnp.concatenate(part, 2) for part in total])
    rows = _waves(np.arange(1 - height, height), height) / np.float32(height)
    columns = _waves(np.arange(1 - width, width), width) / np.float32(width)
    flat = _matmul(rows.T, waves.reshape(2 * height, -1)).reshape(-1, 2 * width)
    return _matmul(flat, columns).reshape(2 * height - 1, size, 2 * width - 1)


def _matmul(x, y):
    return jnp.matmul(x, y, precision="highest")


def _waves(places: np.ndarray, side: int) -> np.ndarray:
    """Cosines, then sines, of `side` frequencies at some places: [2 side, places]."""
    angle = (np.arange(side)[:, None] + 0.5) * (np.pi / side) * places[None]
    return np.concatenate([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _correlation(a, b):
    """The spectrum of the correlation, from those of the two maps: [[cos cos, cos sin], [sin cos, sin sin]].

    Along each axis: its cosines are `cos a cos b + sin a sin b`, its sines `sin a cos b - cos a sin b`.
    """
    (acc, acs), (asc, ass) = a
    (bcc, bcs), (bsc, bss) = b
    return (
        (acc * bcc + acs * bcs + asc * bsc + ass * bss, acs * bcc - acc * bcs + ass * bsc - asc * bss),
        (asc * bcc - acc * bsc + ass * bcs - acs * bss, ass * bcc - asc * bcs - acs * bsc + acc * bss),
    )


def by_ffts(own, other, exponents, log_weights):
    """With FFTs: real along the columns of the rows that are not 0, then complex along the rows."""
    height, width = own.shape[1:]
    tall, wide = (_good_length(2 * side - 1) for side in (height, width))
    maps = jnp.stack([own, other])

    def spectrum(exponent, half):
        exponent, half = (x[None, :, None, None] for x in (exponent, half))
        waves = jnp.fft.rfft(maps * jnp.exp(half - exponent * maps), wide, 3)
        first, second = jnp.fft.fft(jnp.swapaxes(waves, 2, 3), tall, 3)
        return first * jnp.conj(second)

    total = jnp.fft.ifft(_summed(spectrum, own, exponents, log_weights), axis=2)
    total = jnp.moveaxis(_around_zero(total, height, 2), 2, 0)
    return _around_zero(jnp.fft.irfft(total, wide, 2), width, 2)


def _around_zero(x: Array, side: int, axis: int) -> Array:
    """Shifts 1 - side to side - 1; a transform has the negative ones at its end."""
    length = x.shape[axis]
    negative = jax.lax.slice_in_dim(x, length - side + 1, length, axis=axis)
    return jnp.concatenate([negative, jax.lax.slice_in_dim(x, 0, side, axis=axis)], axis)


def _good_length(least: int) -> int:
    """The next length whose prime factors are 2, 3, 5 and 7."""
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1
