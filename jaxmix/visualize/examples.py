"""Methods applied to images alone: what guides them is made from the pixels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from jaxmix import saliency
from jaxmix.combinators import Method
from jaxmix.methods.enumeration import map_names
from jaxmix.methods.pixmix import mixing_images
from jaxmix.mix import Mix

__all__ = ["maps_for", "mixed_images", "pixel_saliency"]

# Attentive CutMix chooses among this many cells a side.
_CELLS = 7
_MIXING_IMAGES = 16


@jax.jit
def pixel_saliency(images: UInt8[Array, "b h w 3"]) -> Float[Array, "b h w"]:
    """Compute fine-grained saliency, smoothed by a Gaussian of a 32nd of the longer side.

    Args:
        images: [b h w 3], RGB, uint8.

    Returns:
        Maps [b h w], float32, 0 or more.

    >>> pixel_saliency(jnp.zeros((1, 32, 32, 3), jnp.uint8)).max().item()
    0.0
    """
    sigma = max(images.shape[1:3]) / 32
    maps = saliency.fine_grained(images[..., ::-1])  # OpenCV's order of channels
    return saliency.smooth(maps.astype(jnp.float32), sigma=sigma, size=2 * round(3 * sigma) + 1)


def maps_for(method: Method, images: UInt8[Array, "b h w 3"]) -> tuple[Array, ...]:
    """Make what a method takes after the batch from the pixels of the images.

    A network's maps are what the papers use; these stand for them where there is none. Saliency and class activation
    maps are `pixel_saliency`, attention is its mean in 7 x 7 cells, and every image is a class of its own. A mixing
    set is 16 of `jaxmix.methods.pixmix.mixing_images`, an eighth larger than the images.

    Args:
        method: a public method.
        images: [b h w 3], RGB, uint8.

    Returns:
        An array for each of `jaxmix.methods.enumeration.map_names(method)`.

    Raises:
        ValueError: a method that takes something else.

    >>> import jaxmix
    >>> images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.uint8)
    >>> [maps.shape for maps in jax.eval_shape(lambda x: maps_for(jaxmix.attentivemix, x), images)]
    [(2, 7, 7)]
    """
    names = map_names(method)
    unknown = set(names) - {"saliency", "cam", "attention", "labels", "mixing_set"}
    if unknown:
        raise ValueError(f"{getattr(method, '__name__', method)} takes {sorted(unknown)}, which pixels can't stand for")
    maps = pixel_saliency(images) if set(names) - {"labels", "mixing_set"} else None
    made = []
    for name in names:
        if name == "mixing_set":
            side = max(images.shape[1:3])
            made.append(mixing_images(jax.random.key(0), _MIXING_IMAGES, max(8, side + side // 8)))
            continue
        if name == "labels" or maps is None:
            made.append(jnp.arange(images.shape[0], dtype=jnp.int32))
        else:
            made.append(jax.image.resize(maps, (len(maps), _CELLS, _CELLS), "linear") if name == "attention" else maps)
    return tuple(made)


def mixed_images(method: Method, key: Array, images: UInt8[Array, "b h w 3"]) -> tuple[Array, Mix]:
    """Apply a method to images, with maps made from their pixels by `maps_for`.

    Args:
        method: a public method.
        key: PRNG key.
        images: [b h w 3], RGB, uint8.

    Returns:
        What the method returns: mixed images and their `Mix`.

    Raises:
        ValueError: what the method raises; a method that takes something that pixels can't stand for.

    >>> import jaxmix
    >>> images, mix = mixed_images(jaxmix.mixup, jax.random.key(0), jnp.zeros((2, 32, 32, 3), jnp.uint8))
    >>> images.shape
    (2, 32, 32, 3)
    """
    return method(key, images, *maps_for(method, images))
