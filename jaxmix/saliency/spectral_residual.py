"""Spectral residual saliency: what the amplitudes of an image's spectrum have beyond their local mean."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.pixels import separable_blur
from jaxmix.saliency.smoothing import smooth
from jaxmix.sharding import sharded_like

__all__ = ["spectral_residual"]

# Shares of red, green and blue in grey.
_GREY = (0.2989, 0.587, 0.114)
# Higher images are analyzed at this many pixels a side.
_SIDE = 128


def spectral_residual(images: arguments.Batch, *, antialias: bool = True) -> Float[Array, "b h w"]:
    """Compute spectral residual saliency, as GuidedMixup does.

        out = blur(|ifft2(F exp(L - box(L)) / A)|),   F = fft2(grey),   A = sqrt(|F|^2 + 1e-10),   L = log A

    The phases of the spectrum stay, and its amplitudes become what they have more than their neighbors: box is the mean
    of 3 x 3 frequencies, in the order of fft2, with the border repeated. The blur is a Gaussian of sigma 3 with 7 taps,
    mirrored about the outermost pixel. Grey is .2989 R + .587 G + .114 B. Images higher than 128 pixels are resized to
    128 x 128 before, and the maps back after, both bilinearly.

    Args:
        images: [b h w 3] or grey [b h w 1], floating or uint8, or a mapping with "image". The authors take them
            normalized by the mean and standard deviation of each channel; of a scale of all channels the map is
            independent, but for the constant 1e-10.
        antialias: whether what is resized to 128 x 128 is smoothed before, as present versions of torchvision do, and
            those of the time did not. Static.

    Returns:
        Maps [b h w], float32, 0 or more. An image of zeros gives zeros, which the methods take as a uniform map.

    Raises:
        ValueError: images that aren't [b h w 3] or [b h w 1].

    Reference: Minsoo Kang, Suhyun Kim. GuidedMixup: An Efficient Mixup Strategy Guided by Saliency Maps. AAAI 2023; the
    saliency itself is that of Xiaodi Hou, Liqing Zhang. Saliency Detection: A Spectral Residual Approach. CVPR 2007.

    >>> maps = jax.jit(spectral_residual)(jnp.zeros((1, 32, 32, 3)).at[:, 10, 20].set(1.0))
    >>> maps.shape, [int(place[0]) for place in divmod(maps.reshape(1, -1).argmax(1), 32)]
    ((1, 32, 32), [10, 20])
    """
    x = arguments.images(images)
    if x.shape[3] not in (1, 3):
        raise ValueError(f"images have shape {x.shape}; wanted [b h w 3], red first, or grey [b h w 1]")
    if not isinstance(antialias, bool):
        raise ValueError(f"antialias is {antialias!r}; wanted True or False")
    return _residual(jax.lax.stop_gradient(x.astype(jnp.float32)), antialias)


@sharded_like("x")
def _residual(x: Float[Array, "b h w c"], antialias: bool) -> Float[Array, "b h w"]:
    height, width, channels = x.shape[1:]
    red, green, blue = (share * x[..., min(c, channels - 1)] for c, share in enumerate(_GREY))
    grey = x[..., 0] if channels == 1 else red + green + blue
    if height <= _SIDE:
        return smooth(_magnitude(grey), sigma=3.0, size=7)
    maps = smooth(_magnitude(_resized(grey, _SIDE, _SIDE, antialias)), sigma=3.0, size=7)
    return _resized(maps, height, width, antialias)


def _magnitude(grey: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The modulus of the image whose spectrum has the residual amplitudes."""
    spectrum = jnp.fft.fft2(grey)
    amplitude = jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-10)
    level = jnp.log(amplitude)
    third = np.full(3, 1 / 3, np.float32)
    residual = jnp.exp(level - separable_blur.blur(level, (third, third), (1, 2), "edge"))
    factor = residual / amplitude
    return jnp.abs(jnp.fft.ifft2(jax.lax.complex(spectrum.real * factor, spectrum.imag * factor)))


def _resized(maps: Float[Array, "b h w"], height: int, width: int, antialias: bool) -> Float[Array, "b n m"]:
    shape = (maps.shape[0], height, width)
    return jax.image.resize(maps, shape, "bilinear", antialias=antialias, precision=jax.lax.Precision.HIGHEST)
