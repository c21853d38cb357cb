"""Preprocessing of a batch before mixing: normalize, crop, mirror. Pure functions, static shapes."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, UInt8
from numpy.typing import ArrayLike

from inputs.dataset import Dataset

__all__ = [
    "Preparation",
    "Preprocess",
    "PreprocessOptions",
    "crop",
    "mirror",
    "normalize",
    "normalized_by",
    "pixels",
    "restore",
    "standardize",
]

Channels = tuple[float, ...]

# CIFAR-10's mean and standard deviation as the authors of CutMix write them, in levels of 255.
CIFAR10 = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)


@dataclass(frozen=True)
class PreprocessOptions:
    """Options of the preprocessing."""

    crop_padding: int | None = None
    """Pixels around an image before its random crop. Default: digits 1, npz an eighth, CIFAR as in the method's paper,
    4 or 2."""
    crop_fill: Literal["mean", "black"] = "mean"
    """Color of these pixels: the mean, or black as in most papers."""
    flip: bool | None = None
    """Mirror half of the training images. Default: on CIFAR only."""
    normalization: Literal["data", "half", "cifar10"] = "data"
    """Mean and standard deviation that images are normalized by: those of the data, 1/2 and 1/2, or those of CIFAR-10
    on any data set."""


class Preparation(Protocol):
    """How uint8 images become the input of a network; see `Preprocess` for the methods."""

    def train(
        self, crop_key: jax.Array, mirror_key: jax.Array, images: UInt8[Array, "b h w c"]
    ) -> Float[Array, "b h w c"]:
        """Training images."""

    def test(self, images: UInt8[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Test images."""

    def pixels(self, images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalized images as pixels in [0, 1]."""

    def standardize(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """The inverse of `pixels`."""

    def restore(self, images: Float[Array, "b h w c"]) -> UInt8[Array, "b h w c"]:
        """Normalized images as uint8."""


class Preprocess(NamedTuple):
    """How the uint8 images of a data set become the input of a network.

    mean, std: of each channel, as a share of 255
    padding: pixels around a training image before its random crop
    flip: whether half of the training images are mirrored
    fill: color of the padding, "mean" or "black"
    """

    mean: Channels
    std: Channels
    padding: int
    flip: bool
    fill: Literal["mean", "black"] = "mean"

    def train(
        self, crop_key: jax.Array, mirror_key: jax.Array, images: UInt8[Array, "b h w c"]
    ) -> Float[Array, "b h w c"]:
        """Training images: normalized, cropped and mirrored."""
        if self.fill == "black":
            cropped = self.test(crop(crop_key, images, self.padding))
        else:
            cropped = crop(crop_key, self.test(images), self.padding)
        return mirror(mirror_key, cropped) if self.flip else cropped

    def test(self, images: UInt8[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Test images: normalized."""
        return normalize(images, self.mean, self.std)

    def pixels(self, images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalized images as pixels in [0, 1]."""
        return pixels(images, self.mean, self.std)

    def standardize(self, pixels: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """The inverse of `pixels`."""
        return standardize(pixels, self.mean, self.std)

    def restore(self, images: Float[Array, "b h w c"]) -> UInt8[Array, "b h w c"]:
        """Normalized images as uint8."""
        return restore(images, self.mean, self.std)


def normalized_by(normalization: Literal["data", "half", "cifar10"], dataset: Dataset) -> Dataset:
    """The data set with the mean and standard deviation that the option names.

    Raises ValueError for those of CIFAR-10 if the images have another number of channels.
    """
    channels = len(dataset.mean)
    if normalization == "half":
        return dataset._replace(mean=(0.5,) * channels, std=(0.5,) * channels)
    if normalization == "cifar10":
        if channels != 3:
            raise ValueError(
                f"--normalization cifar10 is for images of 3 channels; those of {dataset.name} have {channels}: "
                "choose data or half."
            )
        mean, std = (tuple(level / 255 for level in levels) for levels in CIFAR10)
        return dataset._replace(mean=mean, std=std)
    return dataset


def normalize(images: UInt8[Array, "b h w c"], mean: Channels, std: Channels) -> Float[Array, "b h w c"]:
    """(image / 255 - mean) / std, channel by channel, in float32."""
    # One multiply and one add per pixel.
    scale, offset = _channels(1 / (255 * np.asarray(std))), _channels(np.asarray(mean) / np.asarray(std))
    return images.astype(jnp.float32) * scale - offset


def pixels(images: Float[Array, "b h w c"], mean: Channels, std: Channels) -> Float[Array, "b h w c"]:
    """Normalized images as pixels in [0, 1]."""
    return jnp.clip(images.astype(jnp.float32) * _channels(std) + _channels(mean), 0, 1)


def standardize(pixels: Float[Array, "b h w c"], mean: Channels, std: Channels) -> Float[Array, "b h w c"]:
    """(pixels - mean) / std, channel by channel: the inverse of `pixels`."""
    return (pixels - _channels(mean)) / _channels(std)


def restore(images: Float[Array, "b h w c"], mean: Channels, std: Channels) -> UInt8[Array, "b h w c"]:
    """The inverse of `normalize`."""
    return jnp.rint(pixels(images, mean, std) * 255).astype(jnp.uint8)


def crop(key: jax.Array, images: Num[Array, "b h w c"], padding: int) -> Num[Array, "b h w c"]:
    """Shift each image by up to `padding` pixels on both axes, zeros moving in; every shift is equally likely.

    On uint8 images zero is black, on normalized ones the mean color.
    """
    if padding == 0:
        return images
    shifts = jax.random.randint(key, (images.shape[0], 2), 0, 2 * padding + 1)
    padded = jnp.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def window(image: Num[Array, "H W c"], shift: Int[Array, "2"]) -> Num[Array, "h w c"]:
        return jax.lax.dynamic_slice(image, (shift[0], shift[1], jnp.zeros((), shift.dtype)), images.shape[1:])

    return jax.vmap(window)(padded, shifts)


def mirror(key: jax.Array, images: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Mirror each image left to right with probability one half."""
    mirrored = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def _channels(values: ArrayLike) -> np.ndarray:
    """One value per channel, broadcast to [b h w c]."""
    return np.asarray(values, np.float32).reshape(1, 1, 1, -1)
