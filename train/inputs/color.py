"""Changes of color of training images: brightness, contrast and saturation, and lighting. Pure functions of pixels."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["GRAY", "jitter", "jittered", "lighting", "lit"]

# The share of red, green and blue in the luma of ITU-R BT.601.
GRAY = np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 1, 1, 3)
# The eigenvalues and, as columns, the eigenvectors of the covariance of ImageNet's pixels in [0, 1].
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32
)
# The orders of the three changes of `jitter`.
ORDERS = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]], np.int32)


def jitter(key: jax.Array, pixels: Float[Array, "b h w 3"], strength: float) -> Float[Array, "b h w 3"]:
    """Change brightness, contrast and saturation of each image, in an order of its own.

    The factors are uniform in 1 - strength to 1 + strength.
    """
    factor_key, order_key = jax.random.split(key)
    count = len(pixels)
    factors = jax.random.uniform(factor_key, (count, 3), minval=1 - strength, maxval=1 + strength)
    order = jnp.asarray(ORDERS)[jax.random.randint(order_key, (count,), 0, len(ORDERS))]
    return jittered(pixels, factors, order)


def jittered(pixels: Float[Array, "b h w 3"], factors: Float[Array, "b 3"], order: Array) -> Float[Array, "b h w 3"]:
    """For each change of an image in its `order` [b 3], 0 brightness, 1 contrast, 2 saturation:

        x' = f x + (1 - f) reference

    reference: black; the mean luma of the image; the luma of each pixel. Nothing is clipped.
    """
    for position in range(3):
        change = order[:, position]
        factor = jnp.take_along_axis(factors, change[:, None], 1)[:, :, None, None]
        luma = (pixels * GRAY).sum(-1, keepdims=True)
        chosen = change[:, None, None, None]
        reference = jnp.where(chosen == 2, luma, jnp.where(chosen == 1, luma.mean((1, 2), keepdims=True), 0.0))
        pixels = factor * pixels + (1 - factor) * reference
    return pixels


def lighting(key: jax.Array, pixels: Float[Array, "b h w 3"], deviation: float) -> Float[Array, "b h w 3"]:
    """Add noise along the principal components of ImageNet's colors, one normal draw per image and component.

    Reference: Alex Krizhevsky, Ilya Sutskever, Geoffrey Hinton. ImageNet Classification with Deep Convolutional Neural
    Networks. NIPS 2012, section 4.1.
    """
    return lit(pixels, deviation * jax.random.normal(key, (len(pixels), 3)))


def lit(pixels: Float[Array, "b h w 3"], shares: Float[Array, "b 3"]) -> Float[Array, "b h w 3"]:
    """Add sum over components of share * eigenvalue * eigenvector to every pixel of an image."""
    return pixels + ((shares * EIGENVALUES[None]) @ EIGENVECTORS.T)[:, None, None]
