"""Cross-correlations of pairs at all shifts: `c[y, b, x] = sum over i, j of first[b, i, j] second[b, i - y, j - x]`.

Several of each pair are summed up, as spectra, so that there is one inverse transform for all.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix import sharding
from jaxmix.shifts import separable_approximation


def correlate(
    own: Float[Array, "b h w"], other: Float[Array, "b h w"], nodes: Float[Array, "b k"]
) -> Float[Array, "y b x"]:
    """Nearly `sum over i, j of a b / (a + b)` for all shifts, where a and b are what own and the moved other are there.

    Up to 128 pixels the transforms are products with matrices: on CPU they take half the time of FFTs at 32 pixels, and
    three quarters from 64 to 128, but twice as long at 224, for their cost grows with the cube of the side.
    """
    return (by_products if max(own.shape[1:]) <= 128 else by_ffts)(own, other, nodes)


def _summed(spectrum: Callable, own: Array, other: Array, nodes: Array, axis: int):
    """The sum over the terms of `spectrum(first, second)`. The maps have the batch along the axis."""

    def along(numbers):
        return jnp.expand_dims(numbers, [a for a in range(3) if a != axis])

    def part(node, weight):
        return spectrum(*separable_approximation.term(own, shared, other, along(node), along(weight)))

    terms = nodes.T, separable_approximation.weights(nodes).T
    shared = separable_approximation.common(own, tuple(along(node) for node in terms[0]))
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(part, *[x[0] for x in terms]))

    def add(total, term):
        return jax.tree.map(jnp.add, total, part(*term)), None

    return jax.lax.scan(add, sharding.varying(own, zero), terms)[0]


def by_products(own, other, nodes):
    """With products of matrices, all over frequencies (p + 1/2) / 2h: none is 0, so each has a sine and a cosine."""
    size, height, width = own.shape
    rows, columns = _waves(np.arange(height), height), _waves(np.arange(width), width)

    def transform(x):
        waves = _matmul(_matmul(rows, x.reshape(height, -1)).reshape(-1, width), columns.T)
        waves = waves.reshape(2, height, size, 2, width)
        return [[waves[p, :, :, q] for q in (0, 1)] for p in (0, 1)]

    def spectrum(first, second):
        return _correlation(transform(first), transform(second))

    total = _summed(spectrum, jnp.moveaxis(own, 0, 1), jnp.moveaxis(other, 0, 1), nodes, 1)
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


def by_ffts(own, other, nodes):
    """With FFTs: real along the columns of the rows that are not 0, then complex along the rows."""
    height, width = own.shape[1:]
    tall, wide = (_good_length(2 * side - 1) for side in (height, width))

    def transform(x):
        return jnp.fft.fft(jnp.swapaxes(jnp.fft.rfft(x, wide, 2), 1, 2), tall, 2)

    def spectrum(first, second):
        return transform(first) * jnp.conj(transform(second))

    total = jnp.fft.ifft(_summed(spectrum, own, other, nodes, 0), axis=2)
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
