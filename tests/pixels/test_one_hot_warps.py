"""docs/tpu.md: one-hot products and barrel shifts select pixels exactly, so a warp made of them is exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.pixels import affine, packing

pytestmark = pytest.mark.unoptimized
SIDE = 12


def image():
    return jnp.asarray(np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3)), jnp.uint8)


def selected_by_product(levels, place):
    """The levels [h w c] at flat places, through a bfloat16 product that sums in float32, as the matrix unit does."""
    one_hot = (place.reshape(-1, 1) == jnp.arange(SIDE * SIDE, dtype=jnp.int32)[None]).astype(jnp.bfloat16)
    flat = levels.reshape(-1, 3).astype(jnp.bfloat16)
    return jnp.matmul(one_hot, flat, preferred_element_type=jnp.float32).reshape(SIDE, SIDE, 3)


def shifted_by_bits(x, offset):
    """Row y of x moved left by offset[y] from -SIDE to SIDE, zero filled: a selection for each bit."""
    wide = jnp.pad(x, ((0, 0), (SIDE, 2 * SIDE + 7)))
    for bit in range(5):
        moved = jnp.pad(wide, ((0, 0), (0, 1 << bit)))[:, 1 << bit :]
        wide = jnp.where(((offset[:, None] + SIDE) >> bit) & 1 > 0, moved, wide)
    return wide[:, :SIDE]


@jax.jit
def sheared(x, slope):
    """A bilinear shear in three forms: as the library has it, by one-hot products, by barrel shifts."""
    packed = packing.pack(x)
    library = packing.unpack(affine.bilinear(packed, 3, affine.shear_x(slope, SIDE, SIDE), 0, "x"), 3)
    center = np.arange(SIDE, dtype=np.float32) + 0.5
    place = center[None] + jnp.maximum(slope * center, -1e30)[:, None]
    first = jnp.floor(place - 0.5)
    fraction = (place - 0.5 - first)[..., None]
    rows = np.arange(SIDE, dtype=np.int32)[:, None] * SIDE
    inside = ((place >= 0) & (place < SIDE))[..., None]

    def blend(a, b):
        return jnp.where(inside, (a + (b - a) * fraction).astype(jnp.int32), 0)

    columns = [jnp.clip(first.astype(jnp.int32) + k, 0, SIDE - 1) for k in (0, 1)]
    product = blend(*(selected_by_product(x, rows + column) for column in columns))
    return library, product


@jax.jit
def moved(x, offset):
    return shifted_by_bits(packing.pack(x), offset)


def test_a_bilinear_shear_by_one_hot_products_is_the_librarys_to_the_bit():
    # With these slopes every product and sum is exact, so that no compiler can round one form in another way.
    for slope in (-0.875, -0.3125, 0.0, 0.1875, 0.5):
        library, product = sheared(image(), jnp.float32(slope))
        assert len(np.unique(library)) > 30
        np.testing.assert_array_equal(product, library)


def test_every_level_passes_a_product_with_one_hot_rows():
    x = jnp.arange(SIDE * SIDE * 3, dtype=jnp.int32).reshape(SIDE, SIDE, 3) % 256
    place = jnp.arange(SIDE * SIDE, dtype=jnp.int32).reshape(SIDE, SIDE)[::-1]
    np.testing.assert_array_equal(selected_by_product(x, place), x[::-1])


def test_a_barrel_shift_moves_each_row_by_its_own_offset():
    offset = np.array([-12, -11, -5, -1, 0, 1, 2, 3, 6, 9, 11, 12], np.int32)
    found, rows = moved(image(), offset), np.asarray(packing.pack(image()))
    for y, by in enumerate(offset):
        wide = np.pad(rows[y], SIDE)
        np.testing.assert_array_equal(found[y], wide[SIDE + by : 2 * SIDE + by])
