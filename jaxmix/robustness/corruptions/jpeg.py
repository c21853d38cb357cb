"""JPEG compression in integers: the output of libjpeg's encoder and decoder with 4:2:0 subsampling.

The entropy coding in between loses nothing and is left out.

Reference: G. K. Wallace. The JPEG Still Picture Compression Standard. IEEE Transactions on Consumer Electronics, 1992.
C. Loeffler, A. Ligtenberg, G. Moschytz. Practical Fast 1-D DCT Algorithms with 11 Multiplications. ICASSP 1989.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int, UInt8

from jaxmix.numerics import materialize

__all__ = ["Plane", "compressed"]

Plane = Int[Array, "b h w"]

# The standard's quantization tables for quality 50, of lightness and of color.
_LIGHT = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
_COLOR = np.full((8, 8), 99)
_COLOR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def compressed(images: UInt8[Array, "b h w 3"], quality: ArrayLike) -> UInt8[Array, "b h w 3"]:
    """Images after compression with a quality from 1 to 100, which may be traced, and decompression."""
    height, width = images.shape[1:3]
    light, blue, red = _to_ycc(images.astype(jnp.int32))
    made = [_coded(_filled(light, 16), _table(_LIGHT, quality))[:, :height, :width]]
    for color in (blue, red):
        small = _coded(_filled(_halved(color), 8), _table(_COLOR, quality))
        made.append(_doubled(small[:, : -(-height // 2), : -(-width // 2)])[:, :height, :width])
    return _to_rgb(*made)


def _table(base: np.ndarray, quality: ArrayLike) -> Int[Array, "8 8 1 1 1"]:
    quality = jnp.asarray(quality, jnp.int32)
    scale = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return jnp.clip((base.astype(np.int32) * scale + 50) // 100, 1, 255).reshape(8, 8, 1, 1, 1)


def _fixed(value: float) -> int:
    return round(value * 65536)


def _to_ycc(levels: Int[Array, "b h w 3"]) -> tuple[Plane, Plane, Plane]:
    r, g, b = (levels[..., k] for k in range(3))
    half, center = 1 << 15, (128 << 16) + (1 << 15) - 1
    light = (_fixed(0.299) * r + _fixed(0.587) * g + _fixed(0.114) * b + half) >> 16
    blue = (-_fixed(0.168735892) * r - _fixed(0.331264108) * g + _fixed(0.5) * b + center) >> 16
    red = (_fixed(0.5) * r - _fixed(0.418687589) * g - _fixed(0.081312411) * b + center) >> 16
    return light, blue, red


def _to_rgb(light: Plane, blue: Plane, red: Plane) -> UInt8[Array, "b h w 3"]:
    blue, red, half = blue - 128, red - 128, 1 << 15
    r = light + ((_fixed(1.402) * red + half) >> 16)
    g = light + ((-_fixed(0.34414) * blue - _fixed(0.71414) * red + half) >> 16)
    b = light + ((_fixed(1.772) * blue + half) >> 16)
    return jnp.stack([jnp.clip(level, 0, 255).astype(jnp.uint8) for level in (r, g, b)], -1)


def _filled(plane: Plane, multiple: int) -> Int[Array, "b _ _"]:
    """The border repeated until the sides are multiples."""
    missing = [-side % multiple for side in plane.shape[1:]]
    return jnp.pad(plane, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")


def _halved(plane: Plane) -> Int[Array, "b _ _"]:
    """Means of 2 x 2, rounded down and up in turn, with columns filled up to a multiple of 8."""
    height, width = plane.shape[1:]
    # Missing columns are filled up before the means are taken, and missing rows after: so does libjpeg.
    plane = jnp.pad(plane, ((0, 0), (0, height % 2), (0, -width % 16)), mode="edge")
    total = plane[:, ::2, ::2] + plane[:, ::2, 1::2] + plane[:, 1::2, ::2] + plane[:, 1::2, 1::2]
    bias = 1 + np.arange(total.shape[2], dtype=np.int32) % 2
    return (total + bias[None, None]) >> 2


def _doubled(plane: Plane) -> Int[Array, "b _ _"]:
    """Twice as high and wide, 3 : 1 between the nearest two rows and columns."""
    height, width = plane.shape[1:]
    if width <= 2:
        return jnp.repeat(jnp.repeat(plane, 2, 1), 2, 2)
    rows = jnp.pad(plane, ((0, 0), (1, 1), (0, 0)), mode="edge")
    rows = jnp.stack([3 * plane + rows[:, :-2], 3 * plane + rows[:, 2:]], 2).reshape(-1, 2 * height, width)
    wide = jnp.pad(rows, ((0, 0), (0, 0), (1, 1)), mode="edge")
    left, right = (3 * rows + wide[..., :-2] + 8) >> 4, (3 * rows + wide[..., 2:] + 7) >> 4
    return jnp.stack([left, right], -1).reshape(-1, 2 * height, 2 * width)


def _transform() -> np.ndarray:
    """The 8-point transform that libjpeg computes, sqrt(8) times the orthonormal one, in 13-bit fixed point.

    Between two roundings its fast algorithm only adds and multiplies integers, so it equals this matrix.
    """
    constant = {
        name: round(value * 8192)
        for name, value in {
            "a": 0.541196100, "b": 0.765366865, "c": -1.847759065,
            "d": 1.175875602, "e": 0.298631336, "f": 2.053119869, "g": 3.072711026, "h": 1.501321110,
            "i": -0.899976223, "j": -2.562915447, "k": -1.961570560, "l": -0.390180644,
        }.items()
    }  # fmt: skip
    unit = np.eye(8, dtype=np.int64)
    add, less = unit[:4] + unit[7:3:-1], unit[:4] - unit[7:3:-1]
    # Even frequencies.
    outer, inner = add[0] + add[3], add[1] + add[2]
    low, high = add[0] - add[3], add[1] - add[2]
    turned = constant["a"] * (high + low)
    out = np.zeros((8, 8), np.int64)
    out[0], out[4] = 8192 * (outer + inner), 8192 * (outer - inner)
    out[2], out[6] = turned + constant["b"] * low, turned + constant["c"] * high
    # Odd ones: t4 to t7 are the differences from the middle outwards.
    t7, t6, t5, t4 = less
    z1, z2, z3, z4 = t4 + t7, t5 + t6, t4 + t6, t5 + t7
    z5 = constant["d"] * (z3 + z4)
    z1, z2 = constant["i"] * z1, constant["j"] * z2
    z3, z4 = constant["k"] * z3 + z5, constant["l"] * z4 + z5
    out[7] = constant["e"] * t4 + z1 + z3
    out[5] = constant["f"] * t5 + z2 + z4
    out[3] = constant["g"] * t6 + z2 + z3
    out[1] = constant["h"] * t7 + z1 + z4
    return out.astype(np.int32)


_DCT = _transform()


def _pass(blocks: Array, matrix: np.ndarray, axis: int, shift: int) -> Array:
    """The matrix times the 8 values along an axis, shifted right by `shift` bits and rounded."""
    parts = [jax.lax.index_in_dim(blocks, i, axis, keepdims=False) for i in range(8)]
    sums = []
    for row in matrix:
        total = sum((int(row[i]) * parts[i] for i in range(1, 8)), start=int(row[0]) * parts[0])
        sums.append((total + (1 << (shift - 1))) >> shift)
    return materialize(jnp.stack(sums, axis))


def _coded(plane: Plane, table: Int[Array, "8 8 1 1 1"]) -> Plane:
    """The plane after transform, quantization and back; its sides are multiples of 8."""
    size, height, width = plane.shape
    # Both indices within a block first, so that every pass adds whole planes of blocks.
    blocks = plane.reshape(size, height // 8, 8, width // 8, 8).transpose(2, 4, 0, 1, 3) - 128
    blocks = _pass(_pass(materialize(blocks), _DCT, 1, 11), _DCT, 0, 15)
    divisor = 8 * table
    # The quotient of integers, rounded down; the half keeps it clear of the next one, however it is rounded.
    quotient = jnp.floor(((jnp.abs(blocks) + divisor // 2).astype(jnp.float32) + 0.5) / divisor.astype(jnp.float32))
    blocks = materialize(jnp.sign(blocks) * quotient.astype(jnp.int32) * table)
    blocks = _pass(_pass(blocks, _DCT.T, 0, 11), _DCT.T, 1, 18)
    return jnp.clip(blocks.transpose(2, 3, 0, 4, 1).reshape(plane.shape) + 128, 0, 255)
