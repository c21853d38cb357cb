"""Images as 8-bit levels on the host, and maps plotted over them."""

import jax
import numpy as np

from jaxmix import arguments

__all__ = ["overlay", "to_levels"]

# From black through violet and orange to light yellow, lighter all the way.
_GLOW = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)


def overlay(images: np.ndarray | jax.Array, maps: np.ndarray | jax.Array) -> np.ndarray:
    """Plot maps over their images, uint8 [b h w 3]: grey images, coloured where the map is high.

    Args:
        images: [b h w c], uint8, or floating in [0, 1]; c is 1 or 3.
        maps: [b n m], one for each image, coarser or as fine; each is scaled from its lowest to its highest value.

    Raises:
        ValueError: images that aren't [b h w 1] or [b h w 3], another number of maps, or maps without a pixel.

    >>> overlay(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 4, 4))).shape
    (2, 8, 8, 3)
    """
    images, maps = to_levels(images, "images"), np.asarray(arguments.numeric("maps", maps)).astype(np.float32)
    size, height, width, _ = images.shape
    if maps.ndim != 3 or maps.shape[0] != size or 0 in maps.shape:
        raise ValueError(f"maps have shape {maps.shape}; wanted one map for each of {size} images, [{size} n m]")
    rows, columns = (
        np.arange(side) * count // side for side, count in zip((height, width), maps.shape[1:], strict=True)
    )
    maps = np.where(np.isfinite(maps), maps, 0)[:, rows][:, :, columns]
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    level = (maps - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    glow = np.stack([np.interp(level, np.linspace(0, 1, len(_GLOW)), channel) for channel in _GLOW.T], -1)
    grey = images.mean(-1, keepdims=True)
    return np.rint(0.4 * grey + 0.6 * glow).astype(np.uint8)


def to_levels(images: np.ndarray | jax.Array, name: str) -> np.ndarray:
    """Convert images of 1 or 3 channels to uint8 on the host."""
    images = np.asarray(arguments.numeric(name, images))
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{name} have shape {images.shape}; wanted [b h w 1] or [b h w 3]")
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images.astype(np.float32), 0, 1) * 255).astype(np.uint8)
