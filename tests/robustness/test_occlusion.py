"""Occlusion: the two parts of an image, slow loops, sizes, error messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import occlusion

SHAPES = [(2, 8, 8, 3), (1, 7, 7, 1), (2, 5, 8, 3)]


@jax.jit
def both(x, size):
    return occlusion.center(x, size), occlusion.border(x, size)


def samples(shape, dtype=np.float32):
    x = np.random.default_rng(0).uniform(0.2, 1, shape)
    return (np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_hole_is_that_of_a_slow_loop_and_the_border_is_the_rest(shape):
    x, (height, width) = samples(shape), shape[1:3]
    largest, areas = max(height, width), []
    for size in (0, 1, 2, 3, 3.5, 4, 5, *range(6, largest + 1)):
        expected = np.array(x)
        for i in range(height):
            for j in range(width):
                if abs(i - (height - 1) / 2) < size / 2 and abs(j - (width - 1) / 2) < size / 2:
                    expected[:, i, j] = 0
        center, border = map(np.asarray, both(x, np.float32(size)))
        np.testing.assert_array_equal(center, expected)
        np.testing.assert_array_equal(center + border, x)
        assert not ((center != 0) & (border != 0)).any()
        for axis in (1, 2):
            np.testing.assert_array_equal(center == 0, np.flip(center == 0, axis), "in the middle")
        if size in (0, largest):
            np.testing.assert_array_equal(center, x if size == 0 else 0)
            np.testing.assert_array_equal(border, 0 if size == 0 else x)
        areas.append(int((center == 0).sum()))
        if height == width and size % 2 == largest % 2:  # the sides of the hole are even or odd like the image's
            assert areas[-1] == size**2 * shape[0] * shape[3]
    assert areas == sorted(areas)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.uint8], ids=["float32", "bfloat16", "uint8"])
def test_dtype_is_kept_and_eager_is_jitted(dtype):
    x = samples((2, 8, 8, 3), dtype)
    eager = occlusion.center(x, 4), occlusion.border(x, 4)
    for own, jitted in zip(eager, both({"image": x}, np.float32(4)), strict=True):
        assert own.dtype == dtype and own.shape == x.shape
        np.testing.assert_array_equal(own, jitted)


def test_it_lowers_for_every_platform():
    shapes = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.uint8), jax.ShapeDtypeStruct((), jnp.float32)
    exported = jax.export.export(both, platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert "callback" not in exported.mlir_module()


def test_mistakes_say_what_was_wanted():
    x = samples((2, 5, 8, 3))
    for size in (-1, 9, np.nan):
        with pytest.raises(ValueError, match=r"size is .*; wanted .* from 0 to 8"):
            occlusion.center(x, size)
    with pytest.raises(ValueError, match=r"images have values from .* to 255; wanted 0..1"):
        occlusion.border(np.full((1, 4, 4, 1), 255, np.float32), 2)
    with pytest.raises(ValueError, match=r"images have rank 3"):
        occlusion.border(x[0], 2)
