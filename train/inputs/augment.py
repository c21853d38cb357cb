"""What happens on the devices to images that come from the host already cropped: color, normalization, mirroring."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float, UInt8

from inputs.color import jitter, lighting
from inputs.preprocess import mirror, normalize, pixels, restore, standardize

__all__ = ["Augment"]


class Augment(NamedTuple):
    """How cropped uint8 images become the input of a network; see `inputs.preprocess.Preparation`.

    mean, std: of each channel, as a share of 255
    flip: whether half of the training images are mirrored
    jitter: the strength of the changes of brightness, contrast and saturation; 0 for none
    lighting: the standard deviation of the noise along the colors of ImageNet; 0 for none
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool = True
    jitter: float = 0.0
    lighting: float = 0.0

    def train(
        self, crop_key: jax.Array, mirror_key: jax.Array, images: UInt8[Array, "b h w c"]
    ) -> Float[Array, "b h w c"]:
        """Training images: changed in color, normalized and mirrored. The first key is for the colors."""
        if self.jitter == 0 and self.lighting == 0:
            changed = self.test(images)
        else:
            jitter_key, lighting_key = jax.random.split(crop_key)
            colors = images.astype("float32") / 255
            if self.jitter > 0:
                colors = jitter(jitter_key, colors, self.jitter)
            if self.lighting > 0:
                colors = lighting(lighting_key, colors, self.lighting)
            changed = self.standardize(colors)
        return mirror(mirror_key, changed) if self.flip else changed

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
