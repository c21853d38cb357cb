"""Fine-grained saliency: OpenCV's maps to the bit, at sizes whose sums its float32 holds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import saliency as slow

from jaxmix import saliency
from jaxmix.saliency.fine_grained import _quotient as quotient

pytestmark = pytest.mark.unoptimized

fine_grained, peak = jax.jit(saliency.fine_grained), jax.jit(saliency.peak)
LARGE, TINY = [(5, 60), (13, 10)], [(1, 7)]
SLOW = [pytest.param(*size, marks=pytest.mark.slow) for size in ((30, 17), (1, 1), (2, 1))]


@pytest.mark.parametrize("side", [32, *(pytest.param(side, marks=pytest.mark.slow) for side in (64, 224))])
def test_fine_grained_maps_are_opencvs_to_the_bit(golden, side):
    # StaticSaliencyFineGrained of OpenCV-contrib 5.0.0.
    numbers = golden(f"mixing/saliency_fg_{side}")
    maps = fine_grained(numbers["image"])
    np.testing.assert_array_equal(maps, numbers["map_u8"])
    np.testing.assert_array_equal(np.stack(peak(maps), 1), numbers["argmax_raw"])


@functools.cache
def speckled(height, width):
    """Images of blobs, of noise, of one bright pixel, and of black and white."""
    generator = np.random.default_rng(height)
    images = generator.integers(0, 256, (4, height, width, 3)).astype(np.uint8)
    images[0] = np.kron(images[0, ::4, ::4], np.ones((4, 4, 1), np.uint8))[:height, :width]
    images[2], images[2, height // 2, width // 3] = 0, 255
    images[3] = 255 * (images[3, :, :, :1] > 127)
    return images


@pytest.mark.parametrize(("height", "width"), [*LARGE, *TINY, *SLOW])
def test_fine_grained_maps_agree_with_the_slow_loops_on_any_sides(height, width):
    images = speckled(height, width)
    np.testing.assert_array_equal(fine_grained(images), [slow.fine_grained(one) for one in images])


@pytest.mark.slow
def test_fine_grained_maps_are_the_same_bits_eager_jitted_and_with_64_bit_numbers():
    images = speckled(13, 10)
    np.testing.assert_array_equal(saliency.fine_grained(jnp.asarray(images)), fine_grained(images))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(jax.jit(saliency.fine_grained)(images), fine_grained(images))


def test_quotients_are_exact_beside_every_integer():
    level = np.arange(256)[None, :, None]
    divisor = np.array([1, 2, 3, 23**2 - 1, 12_543, 47_103, 224**2 - 1])[:, None, None]
    rest = np.concatenate([0 * divisor, 0 * divisor + 1, divisor // 2, divisor - 1], 2)
    sizes = (level * divisor + rest).clip(0, 255 * divisor)
    others = np.broadcast_to(divisor, sizes.shape).astype(np.float32)
    made = jax.jit(lambda size: quotient(size, others))(sizes.astype(np.float32))
    np.testing.assert_array_equal(made, sizes // divisor)


def test_a_grey_image_is_one_of_equal_channels_and_constant_images_give_maps_of_0():
    images = speckled(13, 10)
    three = np.repeat(images[..., :1], 3, 3)
    np.testing.assert_array_equal(fine_grained(images[..., :1]), fine_grained(three))
    np.testing.assert_array_equal(fine_grained(np.full((4, 13, 10, 3), 200, np.uint8)), 0)


def test_fine_grained_takes_uint8_images_only():
    for wrong in (jnp.zeros((2, 8, 8, 3)), jnp.zeros((2, 8, 8, 2), jnp.uint8)):
        with pytest.raises(ValueError, match=r"wanted 8-bit images \[b h w 3\] or \[b h w 1\]: undo any norm"):
            saliency.fine_grained(wrong)
