"""The mixing set of PixMix: no blank image, noise of the stated spectrum, the same bits for a key."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix.methods.pixmix import dead_leaves, escape_time, generation, mixing_set, spectral_noise

pytestmark = pytest.mark.unoptimized
KINDS = (*mixing_set.KINDS, dead_leaves.leaves)


@functools.cache
def made(n=240, side=32):
    return np.asarray(jaxmix.mixing_images(jax.random.key(0), n, side))


def deviations(images):
    return np.sqrt((images / 255.0).var((1, 2)).mean(1))


def test_no_image_is_blank_or_saturated():
    images = made()
    assert images.shape == (240, 32, 32, 3) and images.dtype == np.uint8
    assert deviations(images).min() > 0.05
    assert np.isin(images, (0, 255)).mean((1, 2, 3)).max() < 0.5
    assert len(np.unique(images.reshape(240, -1), axis=0)) == 240


def test_blank_images_are_replaced():
    key = jax.random.key(2)

    def flat(key, n, side):
        return jnp.full((n, side, side, 3), jnp.array([9, 200, 90], jnp.uint8))

    def nearly_empty(key, n, side):
        return jnp.zeros((n, side, side, 3), jnp.uint8).at[:, 0, :4].set(255)

    found = np.asarray(jaxmix.mixing_images(key, 5, 16, kinds=(flat, nearly_empty, spectral_noise.noise)))
    assert found.shape[0] == 5 and deviations(found).min() > 0.1
    assert mixing_set.blank(flat(key, 2, 16)).all() and mixing_set.blank(nearly_empty(key, 2, 16)).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_same_key_makes_the_same_images(kind):
    one, again, other = (np.asarray(kind(jax.random.key(seed), 3, 16)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any((1, 2, 3)).all()
    assert one.shape == (3, 16, 16, 3) and one.dtype == np.uint8


def test_images_are_made_a_few_at_a_time(monkeypatch):
    def one(key, side):
        return jnp.broadcast_to(jax.random.uniform(key, (1, 1, 3)), (side, side, 3))

    whole = generation.from_keys(one, jax.random.key(0), 7, 8)
    monkeypatch.setattr(generation, "_PIXELS", 3 * 8 * 8)
    generation._from_keys.clear_cache()
    parts = generation.from_keys(one, jax.random.key(0), 7, 8)
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(whole[:2], generation.from_keys(one, jax.random.key(0), 2, 8))
    generation._from_keys.clear_cache()


def test_julia_sets_are_those_of_the_formula(golden):
    numbers = golden("beyond/mixing_pictures")
    for row, expected in zip(numbers["julia_parameters"].astype(np.float32), numbers["julia"], strict=True):
        of = escape_time.Julia(*(jnp.asarray(part) for part in (row[:2], row[2:4], *row[4:7], row[7:])))
        values, _ = jax.jit(escape_time.escape_values, static_argnums=1)(of, 32)
        found = np.abs(np.asarray(generation.palette(values, of.frequency, of.phase)) - expected)
        assert found.mean() <= 1e-4 and (found > 0.05).mean() <= 0.005


def test_noise_is_that_of_the_formula(golden):
    numbers = golden("beyond/mixing_pictures")
    for normals, slope, expected in zip(
        numbers["spectrum_normals"], numbers["spectrum_slope"], numbers["spectrum"], strict=True
    ):
        found = spectral_noise.to_image(spectral_noise.spectrum(jnp.asarray(normals), jnp.float32(slope)))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_leaves_are_those_of_the_formula(golden):
    numbers = golden("beyond/mixing_pictures")
    discs = (numbers[f"leaves_{name}"].astype(np.float32) for name in ("y", "x", "r", "colour"))
    found = dead_leaves.paint(*map(jnp.asarray, discs), 32)
    assert (np.abs(found - numbers["leaves"]) > 1e-6).any(2).mean() <= 1e-3


def slope(images):
    """Of the logarithm of the amplitude, averaged over directions, against that of the frequency."""
    side = images.shape[1]
    amplitude = np.abs(np.fft.rfft2(images - images.mean((1, 2), keepdims=True), axes=(1, 2)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    rings = np.round(frequency * side).astype(int)
    mean = [np.sqrt((amplitude[:, rings == ring] ** 2).mean()) for ring in range(2, side // 2)]
    return -np.polyfit(np.log(np.arange(2, side // 2)), np.log(mean), 1)[0]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_amplitudes_of_noise_fall_with_their_exponent(exponent):
    one = functools.partial(spectral_noise.noise_image, slopes=(exponent, exponent))
    images = np.asarray(generation.from_keys(one, jax.random.key(0), 16, 64)) / 255.0
    assert slope(images) == pytest.approx(exponent, abs=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n is 0; wanted 1 or more"),
        ({"side": 7}, "side is 7; wanted 8 or more"),
        ({"kinds": ()}, r"kinds is \(\); wanted a sequence of one or more"),
        ({"kinds": ["noise"]}, "kinds has the element 'noise'; wanted functions"),
        ({"key": 3}, "got 3 for a key"),
        (
            {"kinds": [lambda key, n, side: jax.random.uniform(key, (n, side, side, 3))]},
            r"kinds: <lambda> made float32 \(4, 16, 16, 3\); wanted uint8 images \(4, 16, 16, 3\)",
        ),
        (
            {"kinds": [lambda key, n, side: jnp.zeros((n, side, side, 1), jnp.uint8)]},
            r"kinds: <lambda> made uint8 \(4, 16, 16, 1\)",
        ),
    ],
)
def test_a_wrong_argument_says_what_was_wanted(options, message):
    with pytest.raises(ValueError, match=message):
        jaxmix.mixing_images(**({"key": jax.random.key(0), "n": 4, "side": 16} | options))
