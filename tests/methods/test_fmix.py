"""FMix: a mask cut from a low-frequency picture."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import mixing

import jaxmix
from jaxmix import masks

SHAPE = (4, 13, 9, 3)  # an odd number of pixels
SIZES = [(32, 32), (33, 40), (40, 33)]
fmix = jax.jit(jaxmix.fmix, static_argnames=("per_batch", "spectrum"))
brightest, brightest_soft = jax.jit(masks.brightest), jax.jit(masks.brightest_soft)
every_size = pytest.mark.parametrize(("height", "width"), SIZES)


def pictures():
    return jnp.asarray(np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32))


def mixed(seed, *, alpha=1.0, decay=3.0, max_soft=0.0, **static):
    """All hyper-parameters traced: one program for all tests."""
    return fmix(jax.random.key(seed), pictures(), alpha=alpha, decay=decay, max_soft=max_soft, **static)


# Golden numbers: ecs-vlc/FMix @e5991dc, fftfreqnd, get_spectrum and binarise_mask, from given noise.


@every_size
def test_the_intended_picture_is_that_of_the_formula(golden, height, width):
    numbers = golden(f"mixing/fmix_{height}x{width}")
    noise = jnp.asarray(numbers["noise"][:, :, : width // 2 + 1], jnp.float32)  # odd widths carry a column too many
    picture = jax.jit(masks.isotropic, static_argnums=(1, 2))(noise, height, width, 3.0)
    np.testing.assert_allclose(picture, numbers["low_iso"], rtol=0, atol=2e-6)


@every_size
def test_the_anisotropic_picture_is_that_of_the_authors_code(golden, height, width):
    numbers = golden(f"mixing/fmix_{height}x{width}")
    noise = jnp.asarray(numbers["noise"], jnp.float32)
    picture = jax.jit(masks.authors_anisotropic, static_argnums=(1, 2))(noise, height, width, 3.0)
    np.testing.assert_allclose(picture, numbers["low_official"], rtol=0, atol=2e-6)


@every_size
@pytest.mark.parametrize("rounding", ["ceil", "floor"])
def test_masks_are_those_of_the_authors_code(golden, height, width, rounding):
    numbers = golden(f"mixing/fmix_{height}x{width}")
    pixels = height * width
    count = getattr(np, rounding)(numbers["lam"] * pixels).astype(int)
    soft = (pixels * np.minimum(numbers["max_soft"], np.minimum(numbers["lam"], 1 - numbers["lam"]))).astype(int)
    for kind, name in (("iso", "low_iso"), ("off", "low_official")):
        mask = brightest(jnp.asarray(numbers[name], jnp.float32), jnp.asarray(count))
        different = (np.asarray(mask) != numbers[f"mask_{kind}_{rounding}"]).sum((1, 2))
        assert different.max() <= 2  # pixels whose order float32 can't tell
    mask = np.asarray(
        brightest_soft(jnp.asarray(numbers["low_iso"], jnp.float32), jnp.asarray(count), jnp.asarray(soft))
    )
    expected = numbers[f"mask_iso_soft_{rounding}"]
    np.testing.assert_allclose(np.sort(mask.reshape(8, -1)), np.sort(expected.reshape(8, -1)), rtol=0, atol=1e-6)
    assert (np.abs(mask - expected) > 1e-6).sum((1, 2)).max() <= 2


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.sampled_from([0.2, 1.0]))
def test_the_mask_is_binary_and_its_mean_within_a_pixel_of_a_possible_share(seed, alpha):
    x = np.asarray(pictures())
    images, mix = mixed(seed, alpha=alpha)
    mask = np.asarray(mix.mask)
    assert set(np.unique(mask)) <= {0.0, 1.0}
    np.testing.assert_array_equal(mask.sum(1), 1)
    for b in range(SHAPE[0]):
        own = mask[b, 0] == 1
        assert float(mix.weight[b, 0]) == pytest.approx(own.mean(), abs=1e-7)
        np.testing.assert_array_equal(np.asarray(images[b])[own], x[b][own])
        np.testing.assert_array_equal(np.asarray(images[b])[~own], x[int(mix.source[b, 1])][~own])


def test_the_number_of_pixels_is_the_drawn_share_rounded_up_or_down_alike():
    # Half of 117 pixels is 58 or 59, each half of the time; a Beta of huge alpha gives shares of one half.
    weights = [np.asarray(mixed(seed, alpha=1e12)[1].weight[:, 0], float) for seed in range(100)]
    count = np.rint(np.ravel(weights) * 117)
    assert set(count) == {58, 59}
    assert abs((count == 59).mean() - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_pictures_agree_with_the_slow_loops():
    for max_soft in (0.0, 0.3):
        images, mix = mixed(1, max_soft=max_soft)
        np.testing.assert_allclose(images, mixing.apply(mix, pictures()), rtol=0, atol=1e-6)


def test_soft_masks_are_shares_whose_mean_is_the_label_and_have_a_ramp():
    _, mix = mixed(2, max_soft=0.5)
    mask = np.asarray(mix.mask, float)
    assert mask.min() >= 0 and mask.max() <= 1 and ((mask > 0) & (mask < 1)).any()
    np.testing.assert_allclose(mix.weight, mask.mean((2, 3)), rtol=0, atol=1e-6)


def test_masks_are_connected_and_the_faster_the_decay_the_more_so():
    def borders(decay):
        mask = np.concatenate([mixed(seed, decay=decay)[1].mask[:, 1] for seed in range(16)])
        return (np.diff(mask, axis=1) != 0).mean() + (np.diff(mask, axis=2) != 0).mean()

    assert borders(0.0) > 1.5 * borders(1.5) > 2 * borders(3.0)


def test_one_mask_for_the_batch_or_one_for_each():
    def found(mix):
        return len({mask.tobytes() for mask in np.asarray(mix.mask)})

    assert found(mixed(4)[1]) == 4
    assert found(fmix(jax.random.key(4), pictures(), per_batch=True)[1]) == 1


def test_the_own_picture_keeps_the_brightest_pixels():
    def rising(noise, height, width, decay):
        return jnp.broadcast_to(
            jnp.arange(height * width, dtype=jnp.float32).reshape(height, width), (4, height, width)
        )

    _, mix = fmix(jax.random.key(6), pictures(), spectrum=rising)
    own = np.asarray(mix.mask[:, 0]).reshape(4, -1)
    assert len(set(own.sum(1))) > 1
    assert (np.diff(own, axis=1) >= 0).all()


def test_the_authors_spectrum_gives_masks_with_at_most_one_wave_along_the_width():
    _, mix = fmix(jax.random.key(5), pictures(), spectrum=masks.authors_anisotropic)
    edges = np.abs(np.diff(np.asarray(mix.mask[:, 1]), axis=2, append=np.asarray(mix.mask[:, 1, :, :1]))).sum(2)
    assert edges.max() <= 2  # around every row, as on a circle


def test_the_own_share_is_uniform_at_alpha_1():
    weight = np.ravel([mixed(seed)[1].weight[:, 0] for seed in range(200)])
    assert abs(weight.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 800)
    assert abs(weight.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / 800) + 1 / 117**2
