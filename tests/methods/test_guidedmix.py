"""GuidedMixup: pairs by the distance of their saliency, pixels and labels in proportion to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix import saliency
from jaxmix.methods.guidedmix import distances
from jaxmix.methods.guidedmix import guidedmix as method

pytestmark = pytest.mark.unoptimized
guidedmix, KEY = jax.jit(method), jax.random.key(0)
MEAN, STD = np.array([125.3, 123.0, 113.9]) / 255, np.array([63.0, 62.1, 66.7]) / 255
SHAPE = (6, 10, 8, 3)


def maps(*shape):
    return np.random.default_rng(1).random(shape or SHAPE[:3]).astype(np.float32)


@pytest.mark.parametrize("which", ["spectral residual", "a given map"])
def test_maps_distances_pairs_masks_and_labels_are_those_of_the_authors_code(golden, which):
    # mixup.py of 3neutronstar/GuidedMixup @73494e1, with the pairing branch that it was meant to take.
    numbers = golden("beyond/guided_32")
    given = which == "a given map"
    x = np.float32((numbers["images"] / 255 - MEAN) / STD)
    found = numbers["ap_map"] if given else jax.jit(saliency.spectral_residual)(x)
    before = "ap_" if given else ""
    normal = saliency.normalize(saliency.smooth(found, sigma=3.0, size=7))
    np.testing.assert_allclose(normal, numbers[f"{before}normalised"], atol=1e-7)
    np.testing.assert_allclose(distances(normal), numbers[f"{before}distance"], atol=1e-6)
    images, mix = guidedmix(KEY, x, found)
    np.testing.assert_array_equal(mix.source[:, 1], numbers[f"{before}partner"])
    np.testing.assert_allclose(mix.weight[:, 0], numbers[f"{before}label_own"], atol=1e-5)
    if not given:
        np.testing.assert_allclose(mix.mask[:, 0], numbers["mask_own"], atol=1e-5)
        np.testing.assert_allclose(images, numbers["mixed"], atol=2e-5)


def test_the_masks_of_a_pair_add_up_to_1_and_the_scale_of_a_map_does_not_matter():
    x, found, partner = np.zeros(SHAPE, np.float32), maps(), np.array([1, 0, 3, 2, 5, 4])
    mix = guidedmix(KEY, x, found, partner=partner)[1]
    own = np.asarray(mix.mask[:, 0])
    assert 0 < own.min() and own.max() < 1
    np.testing.assert_allclose(own + own[partner], 1, atol=1e-6)
    scaled = guidedmix(KEY, x, found * np.float32([1, 5, 0.1, 1e20, 1e-20, 3])[:, None, None], partner=partner)[1]
    np.testing.assert_allclose(scaled.mask, mix.mask, atol=1e-5)


def test_maps_of_zeros_and_of_nan_are_uniform_and_where_no_map_has_a_value_both_share_the_pixel():
    found = maps()
    found[0], found[1], found[2] = 0, np.nan, 0
    found[2, :2, :2], found[3], found[3, :2, :2] = 1, 0, 1
    mix = guidedmix(KEY, np.zeros(SHAPE, np.float32), found, partner=np.array([1, 0, 3, 2, 4, 5]))[1]
    np.testing.assert_allclose(mix.mask[:2], 0.5, atol=1e-6)
    np.testing.assert_array_equal(mix.mask[2:4, :, 7:, 7:], 0.5)
    assert jnp.isfinite(mix.mask).all()


def test_pairs_are_what_the_given_function_makes_of_the_distances():
    def farthest(distance):
        return jnp.argmax(distance, 1)

    guided = jax.jit(method, static_argnames="pairs")
    mix = guided(KEY, np.zeros(SHAPE, np.float32), maps(), pairs=farthest)[1]
    flat = np.asarray(saliency.normalize(saliency.smooth(maps(), sigma=3.0, size=7))).reshape(6, -1)
    distance = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(2))
    np.testing.assert_array_equal(mix.source[:, 1], distance.argmax(1))
    with pytest.raises(ValueError, match="pairs came as str; wanted a function, such as cover"):
        method(KEY, np.zeros(SHAPE, np.float32), maps(), pairs="cover")


def test_distances_keep_their_digits_where_maps_are_alike_and_are_the_same_from_both_sides():
    flat = np.random.default_rng(2).random((8, 6, 5))
    alike = np.float32(1 + 1e-3 * flat)
    found = np.asarray(jax.jit(distances)(alike))
    expected = np.sqrt(((np.float64(alike)[:, None] - np.float64(alike)[None]) ** 2).sum((2, 3)))
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(distances(np.ones((4, 6, 5), np.float32)), 0)  # ties are decided by the order


def test_coarser_maps_give_coarser_masks():
    mix = jax.eval_shape(guidedmix, KEY, np.zeros(SHAPE, np.float32), maps(6, 5, 4))[1]
    assert mix.mask.shape == (6, 2, 5, 4)
