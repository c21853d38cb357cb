"""Cutout: squares are set to zero."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import boxes, mixing

import jaxmix
from jaxmix import masks

pytestmark = pytest.mark.unoptimized

SHAPE = (5, 13, 10, 3)
cutout = jax.jit(jaxmix.cutout, static_argnames=("holes", "per_batch"))


X = 1 + np.random.default_rng(0).random(SHAPE).astype(np.float32)


@pytest.mark.parametrize("size", [0, 1, 4, 5, 40])
def test_a_hole_is_a_square_of_half_the_size_to_either_side_and_the_rest_stays_as_it_is(size):
    images, mix = cutout(jax.random.key(size), X, size=float(size))
    shapes = {boxes.cutout(size, [(y, x)], 13, 10).tobytes() for y in range(13) for x in range(10)}
    for image, whole, mask in zip(np.asarray(images), X, np.asarray(mix.mask[:, 0]), strict=True):
        assert mask.astype(float).tobytes() in shapes
        np.testing.assert_array_equal(image, np.where(mask[..., None] == 1, whole, 0))
        assert (mask == 0).sum() <= size**2


def test_several_holes_are_the_union_of_single_ones():
    mask = np.asarray(cutout(jax.random.key(0), X, size=4.0, holes=3)[1].mask[:, 0])
    singles = [boxes.cutout(4, [(y, x)], 13, 10) == 0 for y in range(13) for x in range(10)]
    for kept in mask:
        hole = kept == 0
        inside = [single for single in singles if (single <= hole).all()]
        np.testing.assert_array_equal(np.any(inside, 0), hole)
        assert 4 <= hole.sum() <= 3 * 16
    assert max((kept == 0).sum() for kept in mask) > 16


def test_the_label_stays_and_images_agree_with_the_slow_loops():
    images, mix = cutout(jax.random.key(1), X, size=6.0)
    assert mix.weight.tolist() == [[1.0]] * 5 and mix.source.tolist() == [[b] for b in range(5)]
    np.testing.assert_array_equal(images, np.float32(mixing.apply(mix, X)))


def test_holes_differ_from_sample_to_sample_unless_drawn_for_the_batch():
    for per_batch in (False, True):
        mask = np.asarray(cutout(jax.random.key(2), X, size=4.0, per_batch=per_batch)[1].mask)
        assert (len({one.tobytes() for one in mask}) == 1) == per_batch


@jax.jit
def many(size):
    """Lengths for all centers of a side of 32, and the kept pixels of many images."""
    middle = jnp.arange(32)
    lengths = masks.window(middle - size // 2, middle + size // 2, 32).sum(1)
    return lengths, jaxmix.cutout(jax.random.key(3), jnp.ones((2048, 32, 32, 1)), size=size)[1].mask[:, 0].mean((1, 2))


@pytest.mark.parametrize(("size", "expected"), [(16, 0.1914), (8, 0.0549)])
def test_the_mean_share_that_is_masked_is_smaller_than_the_square(size, expected):
    lengths, kept = map(np.asarray, many(size))
    # All centers of 32 x 32 alike, then as drawn.
    assert (lengths.mean() / 32) ** 2 == pytest.approx(expected, abs=5e-5)
    share = 1 - kept
    assert abs(share.mean() - expected) < 4 * share.std() / math.sqrt(2048)


def test_no_gradient_reaches_a_masked_pixel():
    @jax.jit
    def gradient(x):
        def total(x):
            images, mix = jaxmix.cutout(jax.random.key(4), x, size=6)
            return images.sum(), mix.mask[:, 0, :, :, None]

        return jax.grad(total, has_aux=True)(x)

    found, mask = gradient(X)
    np.testing.assert_array_equal(found, np.broadcast_to(mask, SHAPE))
