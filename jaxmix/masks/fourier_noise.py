"""FMix's masks: images of low frequencies, and their brightest pixels."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float, Int, UInt32

from jaxmix import arguments
from jaxmix.numerics import barrier
from jaxmix.sharding import varying
from jaxmix.threefry import words

__all__ = ["authors_anisotropic", "brightest", "brightest_soft", "isotropic", "spectrum_noise"]


@arguments.annotated
# One program wherever it is called, as JAX's own samplers are, so that sums of products are rounded alike.
@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def spectrum_noise(key: Array, draws: int, height: int, width: int) -> Float[Array, "d h k 2"]:
    """Sample standard normals, real and imaginary, for the half spectrum of a real image: k is width // 2 + 1.

    Box and Muller's transform of one enciphered counter: 32 random bits for the radius, of which the logarithm sees 24,
    and 32 for the phase, of which the series see 25. No value is beyond 5.9, and no probability differs from the normal
    distribution's by more than 1e-7, as with `jax.random.normal`, at an eighth of its cost on CPUs.
    """
    radius, phase = words(key, draws, height, width // 2 + 1)
    uniform = ((radius >> np.uint32(8)).astype(jnp.float32) + 0.5) * np.float32(2**-24)  # never 0
    length = jnp.sqrt(-2 * jnp.log(uniform))
    return jnp.stack([length * part for part in _on_the_circle(phase)], -1)


def _on_the_circle(phase: UInt32[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Cosine and sine, to 4e-7, of the angle 2 pi (phase / 2^32 - 1/8): of a quarter, and of a place in it."""
    quarter = phase >> np.uint32(30)
    # From the middle of the quarter, in radians: at most pi / 4, where a short series serves.
    place = ((phase << np.uint32(2) >> np.uint32(9)).astype(jnp.float32) - (2**22 - 0.5)) * np.float32(np.pi / 2**24)
    square = place * place
    sine = place * (1 + square * (-1 / 6 + square * (1 / 120 - square * (1 / 5040))))
    cosine = 1 + square * (-1 / 2 + square * (1 / 24 + square * (-1 / 720 + square * (1 / 40320))))
    turned = quarter & np.uint32(1) == 1
    x, y = jnp.where(turned, -sine, cosine), jnp.where(turned, cosine, sine)
    half = quarter >= 2
    return jnp.where(half, -x, x), jnp.where(half, -y, y)


@arguments.annotated
def isotropic(noise: Float[Array, "d h k 2"], height: int, width: int, decay: ArrayLike) -> Float[Array, "d h w"]:
    """Low-frequency images in [0, 1]: noise of amplitude 1 / max(f, 1 / longest side)^decay in every direction."""
    scaled = noise * _amplitude(height, width, noise.shape[2], decay)
    return _normalized(jax.lax.complex(scaled[..., 0], scaled[..., 1]), height, width)


@arguments.annotated
def authors_anisotropic(
    noise: Float[Array, "d n k 2"], height: int, width: int, decay: ArrayLike
) -> Float[Array, "d h w"]:
    """Low-frequency images as the FMix code makes them: only frequencies 0 and 1 along the width.

    It reads the real part from row 0 and the imaginary part from row 1 of the spectrum, so that what it inverts is
    k rows of two values, padded with zeros. All published FMix results come from these images. Needs 2 rows.

    Noise of more rows than two is ignored; of an odd width theirs has one column more than the half spectrum.
    """
    if height < 2:
        raise ValueError(f"images are {height} pixel high; authors_anisotropic needs 2 or more: use isotropic")
    scaled = noise[:, :2] * _amplitude(height, width, noise.shape[2], decay)[:, :2]
    return _normalized(jax.lax.complex(scaled[:, 0], scaled[:, 1]), height, width)


def _amplitude(height: int, width: int, columns: int, decay: ArrayLike) -> Float[Array, "1 h k 1"]:
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[:columns])
    # Counted from the lowest frequency, so that no amplitude is above 1: the images are normalized anyway.
    octaves = np.log(np.maximum(frequency, 1 / max(height, width)) * max(height, width)).astype(np.float32)
    return barrier(jnp.exp(barrier(-arguments.number("decay", decay) * octaves)))[None, :, :, None]


def _normalized(spectrum: Complex[Array, "d n k"], height: int, width: int) -> Float[Array, "d h w"]:
    raw = jnp.fft.irfft2(spectrum, s=(height, width))
    low, high = raw.min((1, 2), keepdims=True), raw.max((1, 2), keepdims=True)
    return (raw - low) / jnp.maximum(high - low, jnp.finfo(jnp.float32).tiny)


@arguments.annotated
def brightest(image: Float[Array, "d h w"], count: Int[Array, "d"]) -> Float[Array, "d h w"]:
    """1 at the `count` brightest pixels (and those as bright as the last of them), else 0; no pixel is below 0."""
    # Floats from 0 up are ordered as their bits are. So the brightest are found bit by bit, from the highest: those
    # that have it stay if they are enough, and are kept and set aside if they aren't. One word holds a bit of 32
    # pixels, and counting its ones takes one instruction: much cheaper than sorting, or than counting pixels.
    draws, height, width = image.shape
    pixels = height * width
    groups = -(-pixels // 32)
    bits = jax.lax.bitcast_convert_type(image, jnp.uint32).reshape(draws, pixels)
    planes = _transposed(jnp.pad(bits, ((0, 0), (0, 32 * groups - pixels))).reshape(draws, 32, groups))

    def divide(step: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        candidates, kept, missing = state
        brighter = candidates & jax.lax.dynamic_index_in_dim(planes, 30 - step, 1, keepdims=False)
        number = jax.lax.population_count(brighter).astype(jnp.int32).sum(1, dtype=jnp.int32)
        enough = number >= missing
        rest = jnp.where(enough[:, None], brighter, candidates & ~brighter)
        return rest, jnp.where(enough[:, None], kept, kept | brighter), jnp.where(enough, missing, missing - number)

    everyone = np.packbits(np.arange(32 * groups).reshape(32, groups).T < pixels, bitorder="little").view("<u4")
    start = jnp.broadcast_to(jnp.asarray(everyone), (draws, groups))
    state = varying(planes, (start, jnp.zeros_like(start), count))
    candidates, kept, _ = jax.lax.fori_loop(0, 31, divide, state)
    chosen = jnp.where(count[:, None] > 0, kept | candidates, np.uint32(0))
    lane = jnp.arange(32, dtype=jnp.uint32)[None, :, None]
    mask = (chosen[:, None] >> lane & np.uint32(1)).reshape(draws, 32 * groups)[:, :pixels]
    return mask.reshape(draws, height, width).astype(jnp.float32)


def _transposed(words: UInt32[Array, "d 32 g"]) -> UInt32[Array, "d 32 g"]:
    """Bit i of word j becomes bit j of word i, among each 32 words: square blocks of bits are swapped, by halves."""
    draws, _, groups = words.shape
    side, mask = 16, 0x0000FFFF
    while side:
        pairs = words.reshape(draws, 16 // side, 2, side, groups)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        change = ((low >> np.uint32(side)) ^ high) & np.uint32(mask)
        words = jnp.stack([low ^ (change << np.uint32(side)), high ^ change], 2).reshape(draws, 32, groups)
        side //= 2
        mask ^= mask << side & 0xFFFFFFFF
    return words


@arguments.annotated
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
