"""Occlusion: the two halves of a picture, slow loops, sizes, mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import occlusion

center, border = jax.jit(occlusion.center), jax.jit(occlusion.border)
SHAPES = [(2, 8, 8, 3), (1, 7, 7, 1), (2, 5, 8, 3)]


def pictures(shape, dtype=jnp.float32):
    x = np.random.default_rng(0).uniform(0.2, 1, shape)
    return jnp.asarray(np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_hole_is_that_of_a_slow_loop_and_the_window_is_the_rest(shape):
    x, (height, width) = pictures(shape), shape[1:3]
    for size in (0, 1, 2, 3, 3.5, 4, 5, max(height, width)):
        expected = np.array(x)
        for i in range(height):
            for j in range(width):
                if abs(i - (height - 1) / 2) < size / 2 and abs(j - (width - 1) / 2) < size / 2:
                    expected[:, i, j] = 0
        hidden, seen = center(x, size), border(x, size)
        np.testing.assert_array_equal(hidden, expected)
        np.testing.assert_array_equal(hidden + seen, x)
        assert not ((hidden != 0) & (seen != 0)).any()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_hole_grows_from_nothing_to_the_whole_picture(shape):
    x = pictures(shape)
    np.testing.assert_array_equal(center(x, 0), x)
    np.testing.assert_array_equal(border(x, 0), 0)
    largest = max(shape[1:3])
    np.testing.assert_array_equal(center(x, largest), 0)
    np.testing.assert_array_equal(border(x, largest), x)
    areas = [int((center(x, size) == 0).sum()) for size in range(largest + 1)]
    assert areas == sorted(areas)
    if shape[1] == shape[2]:  # the sides of the hole are as even or odd as those of the picture
        for size in range(largest % 2, largest + 1, 2):
            assert areas[size] == size**2 * shape[0] * shape[3]


def test_holes_lie_in_the_middle():
    for shape in SHAPES:
        hidden = np.asarray(center(pictures(shape), 3))
        for axis in (1, 2):
            np.testing.assert_array_equal(hidden == 0, np.flip(hidden == 0, axis))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.uint8], ids=str)
@pytest.mark.parametrize("hide", [occlusion.center, occlusion.border], ids=["center", "border"])
def test_dtype_is_kept_eager_is_jitted_and_it_lowers_for_every_platform(hide, dtype):
    x = pictures((2, 8, 8, 3), dtype)
    eager = hide(x, 4)
    assert eager.dtype == dtype and eager.shape == x.shape
    np.testing.assert_array_equal(eager, jax.jit(hide)({"image": x}, 4))
    shapes = jax.ShapeDtypeStruct(x.shape, dtype), jax.ShapeDtypeStruct((), jnp.float32)
    exported = jax.export.export(jax.jit(hide), platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert "callback" not in exported.mlir_module()


def test_mistakes_say_what_was_wanted():
    x = pictures((2, 5, 8, 3))
    for size in (-1, 9, np.nan):
        with pytest.raises(ValueError, match=r"size is .*; wanted a number from 0 to 8"):
            occlusion.center(x, size)
    with pytest.raises(ValueError, match=r"images have values from .* to 255; wanted 0..1"):
        occlusion.border(255 * jnp.ones((1, 4, 4, 1)), 2)
    with pytest.raises(ValueError, match=r"images have rank 3"):
        occlusion.border(x[0], 2)
