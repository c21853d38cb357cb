"""Anti-aliased subsampling: a binomial blur before every second pixel is taken.

Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, with its filter of 4 taps, 1 3 3 1, and its
padding by reflection, 1 pixel before and 2 after.
"""

import jax
import jax.numpy as jnp

__all__ = ["blur_pool", "max_blur_pool"]

TAPS = (1, 3, 3, 1)


def blur_pool(x: jax.Array) -> jax.Array:
    """Blur features [b h w d] and take every second: [b ceil(h/2) ceil(w/2) d]. Sides are 3 or more."""
    return _halved(_halved(x, 1), 2)


def max_blur_pool(x: jax.Array) -> jax.Array:
    """In place of 3x3 max pooling with stride 2: the maximum over 2x2 with stride 1, then `blur_pool`."""
    most = jnp.maximum(x[:, :-1], x[:, 1:])
    return blur_pool(jnp.maximum(most[:, :, :-1], most[:, :, 1:]))


def _halved(x: jax.Array, axis: int) -> jax.Array:
    """Every second value of the blur along an axis, from the first on."""
    outputs = -(-x.shape[axis] // 2)
    padded = jnp.pad(x, [(1, 2) if position == axis else (0, 0) for position in range(x.ndim)], mode="reflect")
    slices = [jax.lax.slice_in_dim(padded, start, start + 2 * outputs - 1, 2, axis=axis) for start in range(len(TAPS))]
    # Sums of two pairs, whose weights are powers of two times 1 and 3: a constant stays as it is, to the bit.
    return (slices[0] + slices[3]) * 0.125 + (slices[1] + slices[2]) * 0.375
