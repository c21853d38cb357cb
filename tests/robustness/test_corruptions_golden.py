"""Corruptions given the authors' samples: the pixels of make_cifar_c.py and make_imagenet_c.py.

One jitted function takes all severities, whose constants are traced. Of 224 pixels only what is cheap to compile runs
by default.
"""

import functools

import jax
import numpy as np
import pytest
from as_users import jit

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
from jaxmix.robustness.corruptions.registry import CORRUPTIONS
from jaxmix.robustness.corruptions.severities import CONSTANTS, SIDE, constant

KEY = jax.random.key(0)
SEVERITIES = range(1, 6)
slow = pytest.mark.slow
# Float32 against their float64, in levels of 255; contrast subtracts a mean of 50,000 values.
EXACT = {
    "contrast": 2e-3, "brightness": 2e-4, "saturate": 2e-4, "gaussian_blur": 2e-4, "defocus_blur": 5e-4,
    "zoom_blur": 2e-4,
}  # fmt: skip
truncated = jit(quantize.truncated)


def floats(images):
    return images.astype(np.float32) / np.float32(255)


def clipped(out):
    return 255 * np.clip(np.asarray(out, np.float64), 0, 1)


def farthest(made, expected):
    return np.abs(np.asarray(made, np.float64) - np.asarray(expected, np.float64)).max()


def differing(made, expected):
    """The largest difference, and the share of values that differ."""
    difference = np.abs(np.stack(made).astype(int) - np.asarray(expected).astype(int))
    return difference.max(), (difference > 0).mean()


def flips(made, expected):
    """The largest difference in levels, and the share of the values that a rounding moved by more than 1e-4."""
    difference = np.abs(np.stack(made).astype(np.float64) - np.stack(expected))
    return difference.max(), (difference > 1e-4).mean()


def size_of(name):
    return "cifar" if name == "32" else "imagenet"


def split(name, severity, size, images):
    """The constants of a severity, traced and static."""
    constants = size_of(size)
    return CORRUPTIONS[name].split(constant(name, severity, constants), SIDE[constants], images)


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, "32") for name in EXACT]
    + [(name, "224") for name in ("contrast", "brightness", "saturate")]
    + [pytest.param(name, "224", marks=slow) for name in ("gaussian_blur", "defocus_blur", "zoom_blur")],
)
def test_corruptions_without_samples_are_the_authors(golden, name, size):
    numbers = golden(f"robustness/corr{size}_{name}")
    images, made_levels = numbers["images"], []
    for severity in SEVERITIES:
        out = corruptions.corrupt(KEY, floats(images), name, severity, constants=size_of(size))
        made = 255 * np.asarray(out, np.float64)
        if size == "32":
            assert farthest(made, numbers["out_f32"][severity - 1]) <= EXACT[name]
        else:
            assert farthest(made[:, ::4, ::4], numbers["out_f32_sub4"][severity - 1]) <= EXACT[name]
        made_levels.append(truncated(out))
    most, share = differing(made_levels, numbers["out_u8"])
    assert most <= 1 and share <= 0.08  # an exact level may be truncated either way


@slow
@pytest.mark.parametrize("size", ["32", "224"])
@pytest.mark.parametrize("name", EXACT)
def test_corruptions_of_levels_without_samples_are_the_authors(golden, name, size):
    numbers = golden(f"robustness/corr{size}_{name}")
    call = functools.partial(corruptions.corrupt, KEY, numbers["images"], name, constants=size_of(size))
    most, share = differing([call(severity) for severity in SEVERITIES], numbers["out_u8"])
    assert most <= 1 and share <= 0.08  # an exact level may be truncated either way


@pytest.mark.parametrize("size", ["32", pytest.param("224", marks=slow)])
def test_pixelation_is_pillows_to_the_bit(golden, size):
    numbers = golden(f"robustness/corr{size}_pixelate")
    for severity in SEVERITIES:
        made = corruptions.corrupt(KEY, numbers["images"], "pixelate", severity, constants=size_of(size))
        np.testing.assert_array_equal(made, numbers["out_u8"][severity - 1])


@slow
@pytest.mark.parametrize("name", ["jpeg_quality_64", "corr32_jpeg_compression", "corr224_jpeg_compression"])
def test_jpeg_is_pillows_to_the_bit_at_every_quality(golden, name):
    numbers, compressed = golden(f"robustness/{name}"), jit(jpeg.compressed)
    table = CONSTANTS["cifar" if "32" in name else "imagenet"]["jpeg_compression"]
    for quality, expected in zip(numbers.get("quality", table), numbers["out_u8"], strict=True):
        np.testing.assert_array_equal(compressed(numbers["images"], np.int32(quality)), expected)


@pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise"])
def test_noise_is_the_authors_for_their_normals(golden, name):
    small, large = golden(f"robustness/rnd32_{name}"), golden("robustness/rnd64_imagenetc_noise")
    function = jit(getattr(noise, name.removesuffix("_noise")))
    for severity in SEVERITIES:
        (sigma,) = split(name, severity, "32", small["images"]).traced
        made = clipped(function(floats(small["images"]), small["z"], sigma))
        assert farthest(made, small["out_f32"][severity - 1]) <= 5e-5
        (sigma,) = split(name, severity, "224", large["images"]).traced
        made = clipped(function(floats(large["images"]), large["z"], sigma))
        assert farthest(made[:, ::4, ::4], large[f"{name}_f32_sub4"][severity - 1]) <= 5e-5


def test_shot_noise_is_the_authors_for_their_counts(golden):
    small, large = golden("robustness/rnd32_shot_noise"), golden("robustness/rnd64_imagenetc_noise")
    shot = jit(noise.shot)
    for severity in SEVERITIES:
        made = shot(small["counts"][severity - 1], np.float32(constant("shot_noise", severity, "cifar")))
        assert farthest(clipped(made), small["out_f32"][severity - 1]) <= 5e-5
        made = shot(large["shot_counts"][severity - 1], np.float32(constant("shot_noise", severity, "imagenet")))
        assert differing(truncated(made), large["shot_noise_u8"][severity - 1])[0] <= 1


def test_impulse_noise_is_the_authors_for_their_samples(golden):
    impulse = jit(lambda x, flipped, salt: quantize.truncated(noise.impulse(x, flipped, salt)))
    for name, constants in (("rnd32_impulse_noise", "cifar"), ("rnd64_imagenetc_noise", "imagenet")):
        numbers = golden(f"robustness/{name}")
        expected = numbers["out_u8" if constants == "cifar" else "impulse_noise_u8"]
        for severity in SEVERITIES:
            flipped = numbers["u_flip"] <= np.float32(constant("impulse_noise", severity, constants))
            made = impulse(floats(numbers["images"]), flipped, numbers["u_salt"] <= 0.5)
            np.testing.assert_array_equal(made, expected[severity - 1])


@pytest.mark.parametrize("size", ["32", "224"])
def test_fog_is_the_authors_for_their_samples(golden, size):
    numbers = golden(f"robustness/rnd{size}_fog")
    side, shown = (32, 32) if size == "32" else (256, 224)

    @jit
    def both(x, uniform, strength, amplitudes):
        clouds = weather.plasma(uniform, side, amplitudes)
        return clouds, weather.fog(x, clouds[:, :shown, :shown], strength)

    for severity in SEVERITIES:
        images = numbers["images"] if size == "32" else numbers["image"][None]
        uniform = numbers["u"][severity - 1] if size == "32" else numbers["u"][None]
        clouds, made = both(floats(images), uniform, *split("fog", severity, size, images).traced)
        if size == "32":
            assert farthest(clouds, numbers["plasma"][severity - 1]) <= 1e-6
            assert farthest(clipped(made), numbers["out_f32"][severity - 1]) <= 1e-4
        else:
            assert farthest(clipped(made)[0, ::4, ::4], numbers["out_f32_sub4"][severity - 1]) <= 1e-4


@jit
def warp(images, corners, fields, amplitude, blur):
    """The elastic transform, and its affine part alone."""
    affine = elastic.warped(images, elastic.inverse(corners, *images.shape[1:3]))
    return elastic.elastic(images, corners, fields, amplitude, blur), affine


# Of 32 pixels every severity has a Gaussian of its own length, and so a program of its own.
@pytest.mark.parametrize(
    ("size", "severities"),
    [("32", (4,)), pytest.param("32", (1, 2, 3, 5), marks=slow), pytest.param("224", SEVERITIES, marks=slow)],
)
def test_the_elastic_transform_is_opencvs_for_the_authors_samples(golden, size, severities):
    numbers, made = golden(f"robustness/rnd{size}_elastic_transform"), []
    images = numbers["images"] if size == "32" else numbers["image"][None]
    for severity in severities:
        amplitude, blur, jitter = split("elastic_transform", severity, size, images).traced
        if size == "32":
            corners, fields = numbers["u_jitter"][severity - 1], np.moveaxis(numbers["u_disp"][severity - 1], 1, -1)
        else:
            corners, fields = numbers["u_jitter"][severity - 1][None], np.moveaxis(numbers["u_disp"], 0, -1)[None]
        moved, affine = map(clipped, warp(floats(images), jitter * corners, fields, amplitude, blur))
        made.append(moved if size == "32" else moved[0, ::4, ::4])
        if size == "32":
            most, share = flips(affine[:3], 255.0 * numbers["warped_f32"][severity - 1])
            assert most <= 7 and share <= 1e-3
    expected = numbers["out_f32" if size == "32" else "out_f32_sub4"]
    most, share = flips(made, [expected[severity - 1] for severity in severities])
    assert most <= 7 and share <= 1e-3


def test_the_inverse_of_the_elastic_warp_is_that_of_the_authors_matrix(golden):
    numbers = golden("robustness/rnd32_elastic_transform")
    inverse = jit(elastic.inverse, static_argnums=(1, 2))
    for severity in SEVERITIES:
        jitter = 32 * constant("elastic_transform", severity, "cifar")[2]
        matrix = inverse(np.float32(jitter) * numbers["u_jitter"][severity - 1], 32, 32)
        made = (np.asarray(matrix.whole, np.float64) + np.asarray(matrix.rest, np.float64)) / 1024
        for own, theirs in zip(made, numbers["M"][severity - 1], strict=True):
            forward = np.vstack([theirs, [0, 0, 1]])
            # A point that moves to 24 in float32 is up to 1e-6 off.
            np.testing.assert_allclose(own, (np.linalg.inv(forward) - np.eye(3))[:2], rtol=0, atol=2e-6)


# By default one severity for each number of rounds and each reach.
@pytest.mark.parametrize(
    ("size", "severity"),
    [("32", 3), ("32", 4), *(pytest.param("32", s, marks=slow) for s in (1, 2, 5)), ("224", 2)]
    + [pytest.param("224", s, marks=slow) for s in (1, 5)],
)
def test_glass_blur_is_the_authors_for_their_offsets(golden, size, severity):
    numbers = golden(f"robustness/rnd{size}_glass_blur")
    images = numbers["images"] if size == "32" else numbers["image"][None]
    taps, (reach, rounds) = split("glass_blur", severity, size, images)
    inner = images.shape[1] - 2 * reach
    # Theirs go backwards.
    offsets = numbers[f"s{severity}_dxdy"].astype(np.int32).reshape(-1, rounds, inner, inner, 2)[:, :, ::-1, ::-1]
    blur = jit(glass_blur.glass, static_argnums=4)
    made = blur(floats(images), offsets[..., 0], offsets[..., 1], taps, reach)
    expected = numbers[f"s{severity}_out_u8"].reshape(images.shape)
    most, share = differing(truncated(made), expected)
    assert most <= 2 and share <= 0.045  # a truncation to levels in between


@pytest.mark.parametrize(
    ("size", "severities"),
    [("32", (1, 2, 3)), pytest.param("32", (4, 5), marks=slow), pytest.param("224", SEVERITIES, marks=slow)],
)
def test_motion_blur_is_imagemagicks_for_the_authors_angles(golden, size, severities):
    numbers = golden(f"robustness/rnd{size}_motion_blur")
    images = numbers["images"] if size == "32" else numbers["image"][None]
    blur = jit(motion_blur.motion)
    for severity in severities:
        angle = numbers["angle"][severity - 1].reshape(-1)
        made = blur(images, angle, split("motion_blur", severity, size, images).traced)
        most, share = differing(made, numbers["out_u8"][severity - 1].reshape(images.shape))
        assert most <= 1 and share <= 1e-4  # float32 sums beside an exact level


@pytest.mark.parametrize(
    ("size", "severities"),
    [("32", (5,)), pytest.param("32", (1, 2, 3, 4), marks=slow), pytest.param("224", SEVERITIES, marks=slow)],
)
def test_snow_is_the_authors_for_their_flakes_and_angles(golden, size, severities):
    numbers = golden(f"robustness/rnd{size}_snow")
    fall = jit(weather.snow, static_argnums=5)
    images = numbers["images"] if size == "32" else numbers["image"][None]
    for severity in severities:
        (flakes, kernel), zoom = split("snow", severity, size, images)
        if size == "32":
            z, angle = numbers["z"][severity - 1], numbers["angle"][severity - 1]
        else:
            z, angle = numbers["z"][None], numbers["angle"][severity - 1 : severity]
        fallen = clipped(fall(floats(images), z, angle, flakes, kernel, zoom))
        expected = numbers["out_f32" if size == "32" else "out_f32_sub4"][severity - 1]
        most, share = flips(fallen if size == "32" else fallen[0, ::4, ::4], expected)
        assert most <= 2 and share <= 5e-4


@pytest.mark.parametrize(
    ("size", "severity"),
    [("32", 4), *(pytest.param(*case, marks=slow) for case in (("32", 5), ("224", 4), ("224", 5)))],
)
def test_mud_is_the_authors_for_their_normals(golden, size, severity):
    numbers = golden(f"robustness/rnd{size}_spatter")
    images = numbers["images"] if size == "32" else numbers["image"][None]
    z = numbers["z"][severity - 1] if size == "32" else numbers["z"][None]
    made = clipped(jit(spatter.mud)(floats(images), z, *split("spatter", severity, size, images).traced))
    expected = numbers["out_f32" if size == "32" else "out_f32_sub4"][severity - 1]
    most, share = flips(made if size == "32" else made[0, ::4, ::4], expected)
    assert most <= 255 and share <= 1e-4  # a threshold crossed by a rounding


def test_frost_is_the_authors_for_their_crop_of_a_photograph(golden):
    numbers = golden("robustness/rnd32_frost_synthetic")
    photos, _ = frost.stacked([numbers["photo_bgr"][..., ::-1]], (32, 32), every=5)
    cover = jit(lambda x, places, *weights: frost.frost(x, frost.crops(photos, places, 32, 32), *weights))
    for severity in SEVERITIES:
        places = np.concatenate([np.zeros((6, 1), np.int32), numbers["row_col"][severity - 1]], 1)
        made = cover(floats(numbers["images"]), places, *split("frost", severity, "32", None).traced)
        assert farthest(clipped(made), numbers["out_f32"][severity - 1]) <= 2e-5
