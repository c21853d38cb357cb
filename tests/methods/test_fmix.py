"""FMix: a mask made by thresholding a low-frequency image."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import mixing

import jaxmix
from jaxmix import masks
from jaxmix.methods import fmix as module

pytestmark = pytest.mark.unoptimized

SHAPE = (4, 13, 9, 3)  # an odd number of pixels
SIZES = [pytest.param(32, 32, marks=pytest.mark.slow), pytest.param(33, 40, marks=pytest.mark.slow), (40, 33)]
every_size = pytest.mark.parametrize(("height", "width"), SIZES)


X = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@functools.partial(jax.jit, static_argnames="hard")
def many(seeds, decay=3.0, max_soft=0.0, hard=True):
    """Images and mixes of many seeds: one program with hard masks and one with soft ones."""
    soft = {} if hard else {"max_soft": max_soft}
    return jax.vmap(lambda seed: jaxmix.fmix(jax.random.key(seed), X, decay=decay, **soft))(seeds)


SEEDS = np.arange(200)


# Golden values: ecs-vlc/FMix @e5991dc, fftfreqnd, get_spectrum and binarise_mask, from given noise.


@every_size
def test_low_frequency_images_are_those_of_the_formula_and_of_the_authors_code(golden, height, width):
    numbers = golden(f"mixing/fmix_{height}x{width}")

    @jax.jit
    def images(noise):
        intended = masks.isotropic(noise[:, :, : width // 2 + 1], height, width, 3.0)  # odd widths have one too many
        return intended, masks.authors_anisotropic(noise, height, width, 3.0)

    intended, official = images(np.float32(numbers["noise"]))
    np.testing.assert_allclose(intended, numbers["low_iso"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(official, numbers["low_official"], rtol=0, atol=2e-6)


@jax.jit
def thresholded(images, count, soft):
    return masks.brightest(images, count), masks.brightest_soft(images, count, soft)


@every_size
@pytest.mark.parametrize("rounding", ["ceil", "floor"])
def test_masks_are_those_of_the_authors_code(golden, height, width, rounding):
    numbers = golden(f"mixing/fmix_{height}x{width}")
    pixels = height * width
    count = getattr(np, rounding)(numbers["lam"] * pixels).astype(int)
    soft = (pixels * np.minimum(numbers["max_soft"], np.minimum(numbers["lam"], 1 - numbers["lam"]))).astype(int)
    for kind, name in (("off", "low_official"), ("iso", "low_iso")):
        hard, mask = map(np.asarray, thresholded(np.float32(numbers[name]), np.int32(count), np.int32(soft)))
        different = (hard != numbers[f"mask_{kind}_{rounding}"]).sum((1, 2))
        assert different.max() <= 2  # pixels whose order float32 can't distinguish
    expected = numbers[f"mask_iso_soft_{rounding}"]
    np.testing.assert_allclose(np.sort(mask.reshape(8, -1)), np.sort(expected.reshape(8, -1)), rtol=0, atol=1e-6)
    assert (np.abs(mask - expected) > 1e-6).sum((1, 2)).max() <= 2


def test_masks_are_binary_the_label_is_their_mean_and_pixels_are_of_one_image():
    images, mix = jax.tree.map(np.asarray, many(SEEDS))
    own = mix.mask[:, :, 0] == 1
    assert set(np.unique(mix.mask)) <= {0.0, 1.0}
    np.testing.assert_array_equal(mix.mask.sum(2), 1)
    np.testing.assert_allclose(mix.weight[..., 0], own.mean((2, 3)), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(images, np.where(own[..., None], X[None], np.roll(X, -1, 0)[None]))
    # At alpha 1 the own share is uniform.
    weight = mix.weight[..., 0].ravel()
    assert abs(weight.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 800)
    assert abs(weight.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / 800) + 1 / 117**2


def test_the_number_of_pixels_is_the_share_rounded_up_or_down_with_equal_probability():
    @jax.jit
    def counts(key):
        image = jnp.broadcast_to(jnp.arange(117, dtype=jnp.float32).reshape(13, 9), (400, 13, 9))
        return module._threshold(key, image, jnp.full(400, 0.5), 0.0).sum((1, 2))

    count = np.asarray(counts(jax.random.key(0)))  # half of 117 pixels is 58 or 59
    assert set(count) == {58, 59}
    assert abs((count == 59).mean() - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_a_soft_edge_is_never_wider_than_either_share():
    @jax.jit
    def masks_of(key):
        image = jnp.arange(117, dtype=jnp.float32).reshape(1, 13, 9)
        keys = jax.random.split(key)
        return [module._threshold(keys[i], image, jnp.full(1, share), 0.5) for i, share in enumerate((0.1, 0.9))]

    for mask, share in zip(masks_of(jax.random.key(0)), (0.1, 0.9), strict=True):
        # At most a tenth of the pixels to each side of the edge, so the mean stays the share.
        assert ((mask > 0) & (mask < 1)).mean() <= 0.2 + 1 / 117
        assert abs(mask.mean() - share) <= 1.5 / 117


def test_soft_masks_are_shares_whose_mean_is_the_label_and_have_a_ramp():
    for max_soft in (0.0, 0.3, 0.5):
        images, mix = many(np.arange(2), max_soft=max_soft, hard=False)
        images, mix = jax.tree.map(lambda leaf: np.asarray(leaf[1]), (images, mix))
        np.testing.assert_allclose(images, mixing.apply(mix, X), rtol=0, atol=1e-6)
        assert mix.mask.min() >= 0 and mix.mask.max() <= 1
        assert ((mix.mask > 0) & (mix.mask < 1)).any() == (max_soft > 0)
        np.testing.assert_allclose(mix.weight, mix.mask.mean((2, 3)), rtol=0, atol=1e-6)


def test_masks_are_connected_and_the_faster_the_decay_the_more_so():
    def borders(decay):
        mask = np.asarray(many(SEEDS, decay)[1].mask[:, :, 1])
        return (np.diff(mask, axis=2) != 0).mean() + (np.diff(mask, axis=3) != 0).mean()

    assert borders(0.0) > 1.5 * borders(1.5) > 2 * borders(3.0)


def test_one_mask_for_the_batch_or_one_for_each():
    shared = jax.jit(lambda key: jaxmix.fmix(key, X, per_batch=True)[1].mask)(jax.random.key(4))
    for number, mask in ((1, shared), (4, many(SEEDS)[1].mask[4])):
        assert len({one.tobytes() for one in np.asarray(mask)}) == number


def test_the_own_image_keeps_the_brightest_pixels_of_the_given_spectrum():
    def rising(noise, height, width, decay):
        image = jnp.arange(height * width, dtype=jnp.float32).reshape(height, width)
        return jnp.broadcast_to(image, (4, height, width))

    @jax.jit
    def masks_of(seed):
        return [
            jaxmix.fmix(jax.random.key(seed), X, spectrum=one)[1].mask for one in (rising, masks.authors_anisotropic)
        ]

    mask, official = map(np.asarray, masks_of(6))
    own = mask[:, 0].reshape(4, -1)
    assert len(set(own.sum(1))) > 1
    assert (np.diff(own, axis=1) >= 0).all()
    # The authors' spectrum has at most one wave along the width: two edges around every row, as on a circle.
    edges = np.abs(np.diff(official[:, 1], axis=2, append=official[:, 1, :, :1])).sum(2)
    assert edges.max() <= 2
