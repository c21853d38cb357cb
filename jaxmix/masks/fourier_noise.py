"""FMix's masks: images of low frequencies, and their brightest pixels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Int

from jaxmix.arguments import annotated
from jaxmix.numerics import barrier

__all__ = ["authors_anisotropic", "brightest", "brightest_soft", "isotropic", "spectrum_noise"]


@annotated
def spectrum_noise(key: Array, draws: int, height: int, width: int) -> Float[Array, "d h k 2"]:
    """Sample standard normals, real and imaginary, for the half spectrum of a real image.

    k is width // 2 + 1, and one more for an odd width, as in the authors' code; `isotropic` leaves that one out.
    """
    return jax.random.normal(key, (draws, height, width // 2 + 1 + width % 2, 2), jnp.float32)


@annotated
def isotropic(noise: Float[Array, "d h k 2"], height: int, width: int, decay: ArrayLike) -> Float[Array, "d h w"]:
    """Low-frequency images in [0, 1]: noise of amplitude 1 / max(f, 1 / longest side)^decay in every direction."""
    scaled = noise * _amplitude(height, width, noise.shape[2], decay)
    return _normalized(jax.lax.complex(scaled[..., 0], scaled[..., 1]), height, width)


@annotated
def authors_anisotropic(
    noise: Float[Array, "d h k 2"], height: int, width: int, decay: ArrayLike
) -> Float[Array, "d h w"]:
    """Low-frequency images as the FMix code makes them: only frequencies 0 and 1 along the width.

    It reads the real part from row 0 and the imaginary part from row 1 of the spectrum, so that what it inverts is
    k rows of two values, padded with zeros. All published FMix results come from these images. Needs 2 rows.
    """
    if height < 2:
        raise ValueError(f"images are {height} pixel high; authors_anisotropic needs 2 or more: use isotropic")
    scaled = noise * _amplitude(height, width, noise.shape[2], decay)
    return _normalized(jax.lax.complex(scaled[:, 0], scaled[:, 1]), height, width)


def _amplitude(height: int, width: int, columns: int, decay: ArrayLike) -> Float[Array, "1 h k 1"]:
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[:columns])
    # Counted from the lowest frequency, so that no amplitude is above 1: the images are normalized anyway.
    octaves = np.log(np.maximum(frequency, 1 / max(height, width)) * max(height, width)).astype(np.float32)
    return barrier(jnp.exp(barrier(-jnp.asarray(decay, jnp.float32) * octaves)))[None, :, :, None]


def _normalized(spectrum: Complex[Array, "d n k"], height: int, width: int) -> Float[Array, "d h w"]:
    raw = jnp.fft.irfft2(spectrum, s=(height, width))
    low, high = raw.min((1, 2), keepdims=True), raw.max((1, 2), keepdims=True)
    return (raw - low) / jnp.maximum(high - low, jnp.finfo(jnp.float32).tiny)


@annotated
def brightest(image: Float[Array, "d h w"], count: Int[Array, "d"]) -> Float[Array, "d h w"]:
    """1 at the `count` brightest pixels (and those as bright as the last of them), else 0; no pixel is below 0."""
    # Floats from 0 up are ordered as their bits are, so the threshold is found bit by bit: much cheaper than sorting.
    bits = jax.lax.bitcast_convert_type(image, jnp.int32)

    def halve(_: Array, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = (bits >= middle[:, None, None]).sum((1, 2), dtype=jnp.int32) >= count
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    # At `low` there are at least `count` pixels, at `high` fewer; one past infinity there are none.
    start = jnp.zeros_like(count), jnp.full_like(count, 0x7F800001)
    low, high = jax.lax.fori_loop(0, 31, halve, start)
    return (bits >= jnp.where(count > 0, low, high)[:, None, None]).astype(jnp.float32)


@annotated
def brightest_soft(
    image: Float[Array, "d h w"], count: Int[Array, "d"], soft: Int[Array, "d"]
) -> Float[Array, "d h w"]:
    """`brightest` with a soft edge: around that rank a linear ramp over 2 * soft pixels in the order of brightness."""
    flat = image.reshape(image.shape[0], -1)
    rank = jnp.argsort(jnp.argsort(flat, 1, descending=True), 1).astype(jnp.int32)
    steps = jnp.maximum(2 * soft - 1, 1)[:, None]
    ramp = jnp.clip(1 - (rank - (count - soft)[:, None]).astype(jnp.float32) / steps.astype(jnp.float32), 0, 1)
    hard = (rank < count[:, None]).astype(jnp.float32)
    return jnp.where(soft[:, None] > 0, ramp, hard).reshape(image.shape)
