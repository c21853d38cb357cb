"""Corruptions given what the authors drew: the pixels of make_cifar_c.py and make_imagenet_c.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import corruptions
from jaxmix.robustness.corruptions import (
    elastic,
    frost,
    glass_blur,
    jpeg,
    motion_blur,
    noise,
    quantize,
    spatter,
    weather,
)
from jaxmix.robustness.corruptions.severities import CONSTANTS, SIDE, constant

KEY = jax.random.key(0)
# Float32 against their float64, in levels of 255; contrast subtracts a mean of 50,000 numbers.
EXACT = {
    "contrast": 2e-3, "brightness": 2e-4, "saturate": 2e-4, "gaussian_blur": 2e-4, "defocus_blur": 5e-4,
    "zoom_blur": 2e-4,
}  # fmt: skip


def floats(images):
    return jnp.asarray(images.astype(np.float32) / 255)


def clipped(out):
    return 255 * np.clip(np.asarray(out, np.float64), 0, 1)


def farthest(made, expected):
    return np.abs(np.asarray(made, np.float64) - np.asarray(expected, np.float64)).max()


def differing(made, expected):
    """The largest difference, and the share of values that differ."""
    difference = np.abs(np.stack(made).astype(int) - np.asarray(expected).astype(int))
    return difference.max(), (difference > 0).mean()


def size_of(name):
    return "cifar" if name == "32" else "imagenet"


@pytest.mark.parametrize("size", ["32", "224"])
@pytest.mark.parametrize("name", EXACT)
def test_corruptions_without_a_draw_are_the_authors(golden, name, size):
    numbers = golden(f"robustness/corr{size}_{name}")
    images, levels_made = numbers["images"], []
    for severity in range(1, 6):
        call = functools.partial(corruptions.corrupt, KEY, name=name, severity=severity, constants=size_of(size))
        made = 255 * np.asarray(call(images=floats(images)), np.float64)
        if size == "32":
            assert farthest(made, numbers["out_f32"][severity - 1]) <= EXACT[name]
        else:
            assert farthest(made[:, ::4, ::4], numbers["out_f32_sub4"][severity - 1]) <= EXACT[name]
        levels_made.append(call(images=images))
    most, share = differing(levels_made, numbers["out_u8"])
    assert most <= 1 and share <= 0.08  # a whole number may be truncated either way


@pytest.mark.parametrize("size", ["32", "224"])
def test_pixelation_is_pillows_to_the_bit(golden, size):
    numbers = golden(f"robustness/corr{size}_pixelate")
    for severity in range(1, 6):
        made = corruptions.corrupt(KEY, numbers["images"], "pixelate", severity, constants=size_of(size))
        np.testing.assert_array_equal(made, numbers["out_u8"][severity - 1])


@pytest.mark.parametrize("name", ["corr32_jpeg_compression", "corr224_jpeg_compression", "jpeg_quality_64"])
def test_jpeg_is_pillows_to_the_bit_at_every_quality(golden, name):
    numbers, compressed = golden(f"robustness/{name}"), jax.jit(jpeg.compressed)
    table = CONSTANTS["cifar" if "32" in name else "imagenet"]["jpeg_compression"]
    for quality, expected in zip(numbers.get("quality", table), numbers["out_u8"], strict=True):
        np.testing.assert_array_equal(compressed(numbers["images"], int(quality)), expected)


@pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise"])
def test_noise_is_the_authors_for_their_normals(golden, name):
    small, large = golden(f"robustness/rnd32_{name}"), golden("robustness/rnd64_imagenetc_noise")
    function = getattr(noise, name.removesuffix("_noise"))
    for severity in range(1, 6):
        made = clipped(function(floats(small["images"]), small["z"], constant(name, severity, "cifar")))
        assert farthest(made, small["out_f32"][severity - 1]) <= 5e-5
        made = clipped(function(floats(large["images"]), large["z"], constant(name, severity, "imagenet")))
        assert farthest(made[:, ::4, ::4], large[f"{name}_f32_sub4"][severity - 1]) <= 5e-5


def test_shot_noise_is_the_authors_for_their_counts(golden):
    small, large = golden("robustness/rnd32_shot_noise"), golden("robustness/rnd64_imagenetc_noise")
    for severity in range(1, 6):
        made = noise.shot(jnp.asarray(small["counts"][severity - 1]), constant("shot_noise", severity, "cifar"))
        assert farthest(clipped(made), small["out_f32"][severity - 1]) <= 5e-5
        counts = jnp.asarray(large["shot_counts"][severity - 1])
        made = quantize.truncated(noise.shot(counts, constant("shot_noise", severity, "imagenet")))
        assert differing(made, large["shot_noise_u8"][severity - 1])[0] <= 1


def test_impulse_noise_is_the_authors_for_their_draws(golden):
    for name, constants in (("rnd32_impulse_noise", "cifar"), ("rnd64_imagenetc_noise", "imagenet")):
        numbers = golden(f"robustness/{name}")
        expected = numbers["out_u8" if constants == "cifar" else "impulse_noise_u8"]
        for severity in range(1, 6):
            flipped = numbers["u_flip"] <= np.float32(constant("impulse_noise", severity, constants))
            made = noise.impulse(floats(numbers["images"]), flipped, numbers["u_salt"] <= 0.5)
            np.testing.assert_array_equal(quantize.truncated(made), expected[severity - 1])


@pytest.mark.parametrize("size", ["32", "224"])
def test_fog_is_the_authors_for_their_draws(golden, size):
    numbers = golden(f"robustness/rnd{size}_fog")
    plasma = jax.jit(weather.plasma, static_argnums=(1, 2))
    for severity in range(1, 6):
        strength, decay = constant("fog", severity, size_of(size))
        if size == "32":
            clouds = plasma(numbers["u"][severity - 1], 32, decay)
            assert farthest(clouds, numbers["plasma"][severity - 1]) <= 1e-6
            made = weather.fog(floats(numbers["images"]), clouds, strength)
            assert farthest(clipped(made), numbers["out_f32"][severity - 1]) <= 1e-4
        else:
            clouds = plasma(numbers["u"][None], 256, decay)[:, :224, :224]
            made = weather.fog(floats(numbers["image"][None]), clouds, strength)
            assert farthest(clipped(made)[0, ::4, ::4], numbers["out_f32_sub4"][severity - 1]) <= 1e-4


def flips(made, expected):
    """The largest difference in levels, and the share of the values that a rounding moved by more than 1e-4."""
    difference = np.abs(np.stack(made).astype(np.float64) - np.stack(expected))
    return difference.max(), (difference > 1e-4).mean()


@pytest.mark.parametrize("size", ["32", "224"])
def test_the_elastic_transform_is_opencvs_for_the_authors_draws(golden, size):
    numbers, made = golden(f"robustness/rnd{size}_elastic_transform"), []
    affine = jax.jit(lambda images, corners: elastic.warped(images, elastic.inverse(corners, 32, 32)))
    for severity in range(1, 6):
        units = SIDE[size_of(size)]
        amplitude, sigma, jitter = (units * value for value in constant("elastic_transform", severity, size_of(size)))
        warp = jax.jit(functools.partial(elastic.elastic, amplitude=amplitude, sigma=sigma))
        if size == "32":
            images, corners = floats(numbers["images"]), np.float32(jitter) * numbers["u_jitter"][severity - 1]
            made.append(clipped(warp(images, corners, np.moveaxis(numbers["u_disp"][severity - 1], 1, -1))))
            plain = clipped(affine(images, corners)[:3])
            most, share = flips(plain, 255.0 * numbers["warped_f32"][severity - 1])
            assert most <= 7 and share <= 1e-3
        else:
            corners = np.float32(jitter) * numbers["u_jitter"][severity - 1 : severity]
            image, fields = floats(numbers["image"][None]), np.moveaxis(numbers["u_disp"], 0, -1)[None]
            made.append(clipped(warp(image, corners, fields))[0, ::4, ::4])
    most, share = flips(made, numbers["out_f32" if size == "32" else "out_f32_sub4"])
    assert most <= 7 and share <= 1e-3


def test_the_inverse_of_the_elastic_warp_is_that_of_the_authors_matrix(golden):
    numbers = golden("robustness/rnd32_elastic_transform")
    inverse = jax.jit(elastic.inverse, static_argnums=(1, 2))
    for severity in range(1, 6):
        jitter = 32 * constant("elastic_transform", severity, "cifar")[2]
        matrix = inverse(np.float32(jitter) * numbers["u_jitter"][severity - 1], 32, 32)
        made = (np.asarray(matrix.whole, np.float64) + np.asarray(matrix.rest, np.float64)) / 1024
        for own, theirs in zip(made, numbers["M"][severity - 1], strict=True):
            forward = np.vstack([theirs, [0, 0, 1]])
            # A point that moves to 24 in float32 is up to 1e-6 off.
            np.testing.assert_allclose(own, (np.linalg.inv(forward) - np.eye(3))[:2], rtol=0, atol=2e-6)


@pytest.mark.parametrize(("size", "severity"), [("32", s) for s in range(1, 6)] + [("224", s) for s in (1, 2, 5)])
def test_glass_blur_is_the_authors_for_their_offsets(golden, size, severity):
    numbers = golden(f"robustness/rnd{size}_glass_blur")
    images = numbers["images"] if size == "32" else numbers["image"][None]
    sigma, reach, rounds = constant("glass_blur", severity, size_of(size))
    inner = images.shape[1] - 2 * reach
    # Theirs go backwards.
    offsets = numbers[f"s{severity}_dxdy"].astype(np.int32).reshape(-1, rounds, inner, inner, 2)[:, :, ::-1, ::-1]
    blur = jax.jit(glass_blur.glass, static_argnums=(3, 4))
    made = blur(floats(images), offsets[..., 0], offsets[..., 1], sigma, reach)
    expected = numbers[f"s{severity}_out_u8"].reshape(images.shape)
    most, share = differing(quantize.truncated(made), expected)
    assert most <= 2 and share <= 0.045  # a truncation to levels in between


@pytest.mark.parametrize("size", ["32", "224"])
def test_motion_blur_is_imagemagicks_for_the_authors_angles(golden, size):
    numbers = golden(f"robustness/rnd{size}_motion_blur")
    images = numbers["images"] if size == "32" else numbers["image"][None]
    blur = jax.jit(motion_blur.motion, static_argnums=(2, 3))
    for severity in range(1, 6):
        angle = numbers["angle"][severity - 1].reshape(-1)
        made = blur(images, angle, *constant("motion_blur", severity, size_of(size)))
        most, share = differing(made, numbers["out_u8"][severity - 1].reshape(images.shape))
        assert most <= 1 and share <= 1e-4  # float32 sums beside a whole level


@pytest.mark.parametrize("size", ["32", "224"])
def test_snow_is_the_authors_for_their_flakes_and_angles(golden, size):
    numbers = golden(f"robustness/rnd{size}_snow")
    fall = jax.jit(weather.snow, static_argnums=3)
    for severity in range(1, 6):
        values = constant("snow", severity, size_of(size))
        if size == "32":
            z, angle = numbers["z"][severity - 1], numbers["angle"][severity - 1]
            made = clipped(fall(floats(numbers["images"]), z, angle, values))
            expected = numbers["out_f32"][severity - 1]
        else:
            z, angle = numbers["z"][None], numbers["angle"][severity - 1 : severity]
            made = clipped(fall(floats(numbers["image"][None]), z, angle, values))[0, ::4, ::4]
            expected = numbers["out_f32_sub4"][severity - 1]
        most, share = flips(made, expected)
        assert most <= 2 and share <= 5e-4


@pytest.mark.parametrize("size", ["32", "224"])
def test_mud_is_the_authors_for_their_normals(golden, size):
    numbers = golden(f"robustness/rnd{size}_spatter")
    spread = jax.jit(spatter.mud, static_argnums=2)
    for severity in (4, 5):
        values = constant("spatter", severity, size_of(size))
        if size == "32":
            made = clipped(spread(floats(numbers["images"]), numbers["z"][severity - 1], values))
            expected = numbers["out_f32"][severity - 1]
        else:
            made = clipped(spread(floats(numbers["image"][None]), numbers["z"][None], values))[0, ::4, ::4]
            expected = numbers["out_f32_sub4"][severity - 1]
        most, share = flips(made, expected)
        assert most <= 255 and share <= 1e-4  # a threshold crossed by a rounding


def test_frost_is_the_authors_for_their_part_of_a_photograph(golden):
    numbers = golden("robustness/rnd32_frost_synthetic")
    photos, _ = frost.stacked([numbers["photo_bgr"][..., ::-1]], (32, 32), every=5)
    for severity in range(1, 6):
        places = np.concatenate([np.zeros((6, 1), np.int32), numbers["row_col"][severity - 1]], 1)
        layer = frost.parts(photos, places, 32, 32)
        made = clipped(frost.frost(floats(numbers["images"]), layer, *constant("frost", severity, "cifar")))
        assert farthest(made, numbers["out_f32"][severity - 1]) <= 2e-5
