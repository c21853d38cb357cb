"""Random erasing: a rectangle of each training image is set to the mean color. Pure functions, static shapes."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

__all__ = ["TRIES", "erase", "rectangles", "sample"]

# Rectangles that are drawn for an image until one fits into it.
TRIES = 10


def erase(
    key: jax.Array,
    images: Float[Array, "b h w c"],
    probability: float,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
) -> Float[Array, "b h w c"]:
    """Set a rectangle of a share of the images to 0, which is the mean color of normalized images.

    Args:
        probability: the share of the images that are erased.
        area: of the rectangle as a share of the image, uniform.
        ratio: of its height to its width, uniform in its logarithm.

    Reference: Zhun Zhong, Liang Zheng, Guoliang Kang, Shaozi Li, Yi Yang. Random Erasing Data Augmentation. AAAI 2020.
    Differs from the paper, as torchvision does: the ratio is uniform in its logarithm, the area ends at 0.33, and at
    most `TRIES` rectangles are drawn for an image, which stays as it is if none of them fits.
    """
    count, height, width, _ = images.shape
    whether_key, size_key, place_key = jax.random.split(key, 3)
    erased = jax.random.bernoulli(whether_key, probability, (count,))
    sizes, fits = sample(size_key, count, height, width, area, ratio)
    places = jnp.array([[height, width]], jnp.int32) - sizes + 1
    corners = jnp.floor(jax.random.uniform(place_key, (count, 2)) * places.astype(jnp.float32)).astype(jnp.int32)
    inside = rectangles(corners, sizes, height, width)
    return jnp.where((inside & (erased & fits)[:, None, None])[..., None], 0.0, images)


def sample(
    key: jax.Array, count: int, height: int, width: int, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Int[Array, "b 2"], Bool[Array, "b"]]:
    """The height and width of the first rectangle of each image that is smaller than it, and whether there is one."""
    area_key, ratio_key = jax.random.split(key)
    pixels = height * width * jax.random.uniform(area_key, (count, TRIES), minval=area[0], maxval=area[1])
    logs = math.log(ratio[0]), math.log(ratio[1])
    ratios = jnp.exp(jax.random.uniform(ratio_key, (count, TRIES), minval=logs[0], maxval=logs[1]))
    sizes = jnp.rint(jnp.sqrt(jnp.stack([pixels * ratios, pixels / ratios], -1))).astype(jnp.int32)
    smaller = (sizes < jnp.array([[[height, width]]], jnp.int32)).all(-1)
    first = jnp.argmax(smaller, 1)
    return jnp.take_along_axis(sizes, first[:, None, None], 1)[:, 0], smaller.any(1)


def rectangles(corners: Int[Array, "b 2"], sizes: Int[Array, "b 2"], height: int, width: int) -> Bool[Array, "b h w"]:
    """Where the rectangle of each image lies, from its upper left corner and its size, (y, x) each."""
    ends = corners + sizes
    rows, columns = jnp.arange(height)[None], jnp.arange(width)[None]
    tall = (rows >= corners[:, :1]) & (rows < ends[:, :1])
    wide = (columns >= corners[:, 1:]) & (columns < ends[:, 1:])
    return tall[:, :, None] & wide[:, None, :]
