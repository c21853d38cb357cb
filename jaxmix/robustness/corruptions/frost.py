"""Frost on the window: photographs laid over the image, from a folder of the user, or synthetic clouds."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, UInt8

from jaxmix import arguments
from jaxmix.robustness.corruptions import per_image, threefry, weather

__all__ = ["Photos", "crops", "frost", "photographs", "places", "stacked", "synthetic"]

# The authors never sample the sixth of theirs.
_FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")

Photos = Sequence[UInt8[np.ndarray, "h w 3"]]


def frost(x: Float[Array, "b h w 3"], layer: Float[Array, "b h w 3"], share: ArrayLike, frosted: ArrayLike) -> Array:
    """`(share x + frosted layer) / 100`, both in 0..1, not yet clipped. The weights are integers and may be traced."""
    # In hundredths of levels, which are integers for 8-bit images: then it is rounded only once, at the end.
    return (jnp.float32(share) * _levels(x) + jnp.float32(frosted) * _levels(layer)) / 25500


def _levels(x: Array) -> Array:
    """255 x, exactly the level where x is a level divided by 255."""
    near = jnp.round(255 * x)
    return jnp.where(jnp.abs(255 * x - near) < 1e-4, near, 255 * x)


def photographs(folder: str | pathlib.Path) -> Photos:
    """Read the five photographs of frost of the benchmark's authors, RGB, which are not part of jaxmix.

    Args:
        folder: with frost1.png, frost2.png, frost3.png, frost4.jpg and frost5.jpg of the repository
            hendrycks/robustness, folder ImageNet-C/create_c.

    Returns:
        Five arrays UInt8[h w 3], for `corrupt(..., "frost", photographs=...)`.

    Raises:
        ValueError: a folder without them, files that can't be read, or no Pillow to read them.

    >>> photographs("no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: no/such/folder has no frost1.png, frost2.png, frost3.png, frost4.jpg, frost5.jpg; wanted the ...
    """
    try:
        import PIL.Image
    except ImportError as error:
        raise ValueError("reading photographs needs Pillow: pip install pillow") from error
    paths = [pathlib.Path(folder) / name for name in _FILES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ValueError(
            f"{folder} has no {', '.join(missing)}; wanted the five photographs of hendrycks/robustness, folder "
            'ImageNet-C/create_c: download them, or choose "frost_like", which needs none'
        )
    return [_read(PIL.Image, path) for path in paths]


def _read(reader: ModuleType, path: pathlib.Path) -> np.ndarray:
    try:
        with reader.open(path) as photo:
            return np.asarray(photo.convert("RGB"))
    except OSError as error:
        raise ValueError(f"{path} can't be read as an image ({error}); download it again") from error


def stacked(photos: Photos | str | pathlib.Path | None, sides: Sequence[int], *, every: int) -> tuple[Array, Array]:
    """Photographs as one array with their heights and widths, of every n-th pixel (CIFAR-C: n = 5)."""
    if photos is None:
        raise ValueError(
            "frost needs photographs; wanted photographs=FOLDER, with the authors' frost1.png to frost5.jpg: "
            'they may not be shipped. "frost_like" is a substitute that needs none, and that no official mCE counts'
        )
    if isinstance(photos, str | pathlib.Path):
        photos = _folder(str(photos))
    photos = [np.asarray(photo) for photo in arguments.some("photographs", list(photos))]
    small = [photo[every // 2 :: every, every // 2 :: every] for photo in photos if photo.ndim == 3]
    if len(small) < len(photos) or any(photo.dtype != np.uint8 or photo.shape[2] != 3 for photo in small):
        raise ValueError(
            f"photographs are {[(photo.shape, str(photo.dtype)) for photo in photos]}; wanted uint8 [h w 3] each"
        )
    sizes = np.array([photo.shape[:2] for photo in small], np.int32)
    if (sizes <= np.array([sides])).any():
        raise ValueError(
            f"photographs have {sizes.tolist()} rows and columns"
            + (" at a fifth of their size, as CIFAR-C takes them" if every > 1 else "")
            + f"; wanted more than the images' {sides[0]} x {sides[1]}: take larger photographs"
        )
    most = sizes.max(0)
    padded = [
        np.pad(photo, (*[(0, m - s) for m, s in zip(most, photo.shape, strict=False)], (0, 0))) for photo in small
    ]
    return jnp.asarray(np.stack(padded)), jnp.asarray(sizes)


_folder = functools.lru_cache(4)(photographs)


def places(key: Array, size: int, sizes: Int[Array, "n 2"], height: int, width: int) -> Int[Array, "b 3"]:
    """Sample the photograph of each image, and the first row and column of its crop."""
    uniform = threefry.uniform(key, size, 3)
    number = jnp.floor(uniform[:, 0] * sizes.shape[0]).astype(jnp.int32)
    room = sizes[number] - np.array([[height, width]], np.int32)
    start = jnp.floor(uniform[:, 1:] * room.astype(jnp.float32)).astype(jnp.int32)
    return jnp.concatenate([number[:, None], jnp.minimum(start, room - 1)], 1)


def crops(
    photos: UInt8[Array, "n p q 3"], places: Int[Array, "b 3"], height: int, width: int
) -> Float[Array, "b h w 3"]:
    """Crops of the photographs, in 0..1."""

    def one(place: Array) -> Array:
        return jax.lax.dynamic_slice(photos, (place[0], place[1], place[2], np.int32(0)), (1, height, width, 3))[0]

    return per_image.each(one, places).astype(jnp.float32) / 255


def synthetic(key: Array, size: int, height: int, width: int) -> Float[Array, "b h w 3"]:
    """Pale, bluish clouds with bright ridges, a substitute for photographs of frost."""
    side = weather.cloud_side(height, width)
    uniform = 2 * threefry.uniform(key, size, side * side - 1) - 1
    clouds = weather.plasma(uniform, side, weather.amplitudes(side, 1.6))[:, :height, :width, None]
    ridges = 1 - jnp.abs(2 * clouds - 1)
    tint = np.array([0.85, 0.95, 1.0], np.float32).reshape(1, 1, 1, 3)
    return (0.25 + 0.35 * clouds + 0.4 * ridges * ridges * ridges) * tint
