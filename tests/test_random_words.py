"""Random words: the cipher, how many a method draws, and the normals that are made of them."""

import math
import pathlib
import runpy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from specimens import METHODS

from jaxmix import masks, threefry

pytestmark = pytest.mark.unoptimized

COUNTER = pathlib.Path(__file__).parents[1] / "benchmarks" / "random_words.py"
words_a_sample = runpy.run_path(str(COUNTER))["words_a_sample"]

# Words of 32 bits for a sample of 16 x 16; one word for each share, place and cell.
WORDS = {
    "mixup": 1,
    "cutmix": 3,  # share, y, x
    "cutout": 2,  # y, x
    "smoothmix_s": 3,  # size, y, x
    "smoothmix_c": 3,
    "resizemix": 3,
    "gridmix": 1 + 16,  # a share, and a value for each of 4 x 4 cells
    "gridmixup": 1,
    "fmix": 2 + 2 * 16 * 9,  # a share, its rounding, and two for each complex normal of the half spectrum
    "saliencymix": 1,
    "attentivemix": 0,
}


@pytest.mark.parametrize("name", WORDS)
def test_a_method_draws_no_word_that_it_does_not_need(name):
    assert words_a_sample(METHODS[name]) == WORDS[name]


def test_the_authors_spectrum_of_fmix_draws_two_rows():
    assert words_a_sample(METHODS["fmix"], spectrum=masks.authors_anisotropic) == 2 + 2 * 2 * 9


def test_words_are_those_of_threefry():
    one, other = threefry.words(jax.random.key(5), 3, 7)
    seed = jax.random.bits(jax.random.key(5), (2,), jnp.uint32)
    counters = jnp.concatenate([jnp.arange(21, dtype=jnp.uint32), jnp.zeros(21, jnp.uint32)])
    expected = threefry_2x32(seed, counters)
    np.testing.assert_array_equal(jnp.concatenate([one.ravel(), other.ravel()]), expected)


def test_noise_is_normal_and_its_parts_are_independent():
    noise = np.asarray(masks.spectrum_noise(jax.random.key(3), 200, 32, 32), float)
    flat = np.sort(noise.ravel())
    n = flat.size
    cumulative = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in flat[::50]])
    # The Kolmogorov distance of n samples is above 1.95 / sqrt(n) once in 1,000 draws.
    assert np.abs(cumulative - (np.arange(n)[::50] + 0.5) / n).max() < 1.95 / math.sqrt(n)
    assert abs((flat**4).mean() - 3) < 4 * math.sqrt(96 / n)
    real, imaginary = noise[..., 0], noise[..., 1]
    for one, other in ((real, imaginary), (real**2, imaginary**2), (real[:, 1:], real[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / math.sqrt(one.size)
    assert np.isfinite(noise).all()


def test_angles_are_of_the_circle():
    from jaxmix.masks import fourier_noise

    phase = np.linspace(0, 2**32 - 1, 4001).astype(np.uint32)
    x, y = map(np.asarray, jax.jit(fourier_noise._on_the_circle)(jnp.asarray(phase)))
    angle = 2 * np.pi * (phase / 2**32 - 1 / 8)
    # A series cut at 3.1e-7, and a phase of 25 bits.
    np.testing.assert_allclose(x, np.cos(angle), rtol=0, atol=6e-7)
    np.testing.assert_allclose(y, np.sin(angle), rtol=0, atol=6e-7)


@pytest.mark.parametrize("side", [3, 224, 65_535, 65_536, 100_003])
def test_places_are_the_whole_part_of_a_product(side):
    from jaxmix.masks import boxes

    word = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 123_456_789, 65_535, 65_536], np.uint32)
    place = jax.jit(boxes._pixel, static_argnums=1)(jnp.asarray(word), side)
    np.testing.assert_array_equal(place, [int(w) * side >> 32 for w in word])
