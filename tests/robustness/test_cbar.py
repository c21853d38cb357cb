"""The corruptions of C-bar: sizes that the authors' numbers don't have, distributions of samples, and errors."""

import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import cbar as reference

from jaxmix.robustness import corruptions
from jaxmix.robustness.corruptions import (
    caustics,
    cbar,
    distortions,
    overlays,
    phase_noise,
    quantize,
    sparkles,
    splines,
    threefry,
    turbulence,
    waves,
)
from jaxmix.robustness.corruptions.registry import Case
from jaxmix.robustness.corruptions.severities import CBAR_CONSTANTS, constant

slow = pytest.mark.slow
pytestmark = pytest.mark.unoptimized
NAMES = tuple(cbar.CORRUPTIONS)
HEIGHT, WIDTH = 23, 35
PHASES = (36, 18)


def key(seed=0):
    return jax.random.key(seed)


def constants_of(name):
    return "cifar" if name in corruptions.CBAR["cifar"] else "imagenet"


def images(number, height=HEIGHT, width=WIDTH):
    """Smooth images and noise."""
    generator = np.random.default_rng(height)
    y, x = np.mgrid[:height, :width] / 6.0
    waves_of = np.sin(x[..., None] + generator.random(3)) * np.cos(y[..., None] + generator.random(3))
    smooth = np.broadcast_to(127 + 120 * waves_of, (number, height, width, 3)).copy()
    smooth[1::2] = generator.integers(0, 256, smooth[1::2].shape)
    return smooth.astype(np.uint8)


# Given samples: a function of jaxmix, its samples for one image from a generator, constants, and the share of values
# that may be a level off in float32.


def blue(x, phases, threshold):
    field = phase_noise.field(phases, phase_noise.blue_power(36))[:, :HEIGHT, :WIDTH]
    return phase_noise.blue_noise(x, field > threshold)


def brownish(x, phases, amplitude):
    fields = phase_noise.field(phases, phase_noise.brownish_power(36))[..., :HEIGHT, :WIDTH]
    return phase_noise.brownish_noise(x, jnp.moveaxis(fields, 1, -1), amplitude)


def sparkle(x, centers, rays, normals, radius):
    return sparkles.sparkles(x, centers, rays, sparkles.ray_lengths(normals, radius, 1.0))


def inverse_sparkle(x, center, rays, normals, exponent):
    lengths = sparkles.ray_lengths(normals, HEIGHT / 4, -np.inf)
    return sparkles.inverse_sparkles(x, center, rays, lengths, exponent)


def plasma(x, time, iterations, sharpness, scale, share):
    samples = turbulence.Plasma(time, iterations, sharpness, scale)
    return turbulence.plasma_noise(x, turbulence.plasma(samples, HEIGHT, WIDTH), share)


def perlin(x, permutation, gradients, share):
    noise = turbulence.perlin(turbulence.Lattice(permutation, gradients), HEIGHT, WIDTH, 32 * HEIGHT / 224)
    return turbulence.perlin_noise(x, noise, share)


def caustic(x, time, scale, lens, brightness):
    return caustics.caustic_refraction(x, caustics.light(time, scale, HEIGHT, WIDTH), lens, brightness)


def pinch(x, angles, amount):
    return distortions.pinch_and_twirl(x, angles, amount, 7)


def circular(x, degrees):
    return splines.circular_blur(x, splines.rotations(7.0), splines.circular_weights(7.0, HEIGHT, WIDTH))


def aberration(x, scales):
    weights = [tuple(splines.zoom_weights(side, scale) for side in (HEIGHT, WIDTH)) for scale in (1.0, 1.1, 1.2)]
    order = jnp.argsort(jnp.argsort(scales, -1), -1).astype(jnp.int32)
    return splines.chromatic_aberration(x, order, weights)


def unit_vectors(generator):
    vectors = generator.normal(size=(256, 2))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


CASES = {
    "blue_noise_sample": (blue, lambda g: (g.uniform(0, 6.28, PHASES),), (-1.2,), 0.002),
    "brownish_noise": (brownish, lambda g: (g.uniform(0, 6.28, (3, *PHASES)),), (0.1,), 0.005),
    "checkerboard_cutout": (
        overlays.checkerboard,
        lambda g: (g.uniform(0, 6.28), g.uniform(2.5, 5), g.random((40, 40))),
        (0.4,),
        0.005,
    ),
    "sparkles": (
        sparkle,
        lambda g: (g.random((5, 2)) * (HEIGHT, WIDTH), g.integers(50, 200, 5), g.normal(size=(5, 199))),
        (1.4,),
        0.005,
    ),
    "inverse_sparkles": (
        inverse_sparkle,
        lambda g: ((9.3, 14.2), g.integers(50, 200), g.normal(size=199)),
        (0.5,),
        0.005,
    ),
    "pinch_and_twirl": (pinch, lambda g: (g.choice([-1.0, 1.0], (4, 3)),), (0.4,), 0.05),
    "ripple": (distortions.ripple, lambda g: (g.uniform(2.3, 7, 2), g.uniform(0, 6.28, 2)), (0.5,), 0.05),
    "circular_motion_blur": (circular, lambda g: (), (7.0,), 0.02),
    "transverse_chromatic_abberation": (aberration, lambda g: (g.permutation([1.0, 1.1, 1.2]),), (), 0.02),
    "lines": (overlays.lines, lambda g: (g.random((4, 2)) * HEIGHT, g.uniform(0, 6.28, 4)), (), 0.005),
    "single_frequency_greyscale": (
        waves.single_frequency,
        lambda g: (g.uniform(-3, 3, 2), g.uniform(0, 6.28)),
        (0.3,),
        0.005,
    ),
    "cocentric_sine_waves": (
        waves.cocentric_sine_waves,
        lambda g: (g.uniform(0, 23, 2), g.uniform(0, 10), g.uniform(0, 2), g.uniform(0.5, 2)),
        (0.3,),
        0.005,
    ),
    "plasma_noise": (
        plasma,
        lambda g: (g.uniform(0, 18), g.integers(4, 7), g.uniform(0.5, 1), g.uniform(2, 5)),
        (0.2,),
        0.005,
    ),
    "perlin_noise": (perlin, lambda g: (g.permutation(256), unit_vectors(g)), (0.3,), 0.005),
    "caustic_refraction": (caustic, lambda g: (g.uniform(0.5, 2), g.uniform(17, 29)), (5.0, 0.8), 0.02),
}


@slow
@pytest.mark.parametrize("name", CASES)
def test_an_odd_oblong_image_is_corrupted_as_by_the_equations(name):
    function, samples, values, tolerance = CASES[name]
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    x, given = images(2), [samples(generator) for _ in range(2)]
    stacked = [np.stack([np.asarray(sample) for sample in each]) for each in zip(*given, strict=True)]
    narrow = [of.astype(np.int32 if of.dtype.kind == "i" else np.float32) for of in stacked]
    call = jax.jit(lambda *arguments: quantize.truncated(function(*arguments)))
    made = np.asarray(call(x.astype(np.float32) / np.float32(255), *narrow, *map(np.float32, values)))
    for image, out, of_image in zip(x, made, given, strict=True):
        more = (7,) if name == "pinch_and_twirl" else ()
        of_image = tuple(np.asarray(part) if isinstance(part, tuple) else part for part in of_image)
        exact = getattr(reference, name)(image.astype(float), *of_image, *values, *more)
        expected = np.floor(np.clip(exact, 0, 255) + 1e-4).astype(int)
        difference = np.abs(out.astype(int) - expected)
        assert (difference > 1).mean() <= 0.002 and (difference > 0).mean() <= tolerance, (difference > 0).mean()


def test_a_blur_of_large_images_is_the_product_with_its_matrix():
    x = images(2, 9, 12).astype(np.float32) / np.float32(255)
    turns = splines.rotations(9.0).astype(np.float32)
    each = jax.jit(lambda x: splines.circular_blur(x, turns, None))(x)
    np.testing.assert_allclose(each, splines.circular_blur(x, turns, splines.circular_weights(9.0, 9, 12)), atol=2e-6)
    assert splines.circular_weights(9.0, 96, 96) is None


# What must hold for every one.


@pytest.mark.unoptimized
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("lines", "brownish_noise") else slow) for n in NAMES]
)
def test_any_size_keeps_its_dtype_and_shape_and_range(name):
    for sides in ((HEIGHT, WIDTH), (3, 5)):
        x, more = images(2, *sides), {"severity": 5, "constants": constants_of(name)}
        made = np.asarray(corruptions.corrupt(key(), x, name, **more))
        floating = np.asarray(corruptions.corrupt(key(), x.astype(np.float32) / 255, name, **more))
        assert made.dtype == np.uint8 and made.shape == x.shape == floating.shape
        assert floating.dtype == np.float32 and floating.min() >= 0 and floating.max() <= 1
        assert np.abs(255 * floating.astype(np.float64) - made).max() <= 1.01
        # No whole line, and cells of one pixel.
        assert (made != x).any() or (name in ("lines", "pinch_and_twirl") and sides == (3, 5))


@slow
@pytest.mark.unoptimized
@pytest.mark.parametrize("name", ["brownish_noise", "sparkles", "perlin_noise", "transverse_chromatic_abberation"])
def test_eager_is_jitted_and_an_image_does_not_depend_on_the_others(name):
    x, constants = images(3, 16, 16), constants_of(name)
    call = functools.partial(corruptions.corrupt, name=name, severity=3, constants=constants)
    made = np.asarray(call(key(), x))
    np.testing.assert_array_equal(jax.jit(call)(key(), x), made)
    # The seed of an image is that of its place.
    np.testing.assert_array_equal(call(key(), x[:2]), made[:2])


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("brownish_noise", "sparkles") else slow) for n in NAMES]
)
def test_lowers_for_cpu_cuda_and_tpu(name):
    shape = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.uint8)
    call = jax.jit(functools.partial(corruptions.corrupt, name=name, severity=4, constants=constants_of(name)))
    exported = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))(jax.eval_shape(key), shape)
    assert exported.out_avals[0].shape == shape.shape


def test_each_set_has_ten_corruptions_whose_severities_share_a_program():
    assert [len(names) for names in corruptions.CBAR.values()] == [10, 10] and len(NAMES) == 15
    assert {name for names in corruptions.CBAR.values() for name in names} == set(NAMES)
    for constants, table in CBAR_CONSTANTS.items():
        for name, values in table.items():
            assert len(values) == 5 and list(values) == sorted(values)
            splits = [cbar.CORRUPTIONS[name].split(constant(name, s, constants), 32, images(1)) for s in range(1, 6)]
            programs = {(s.static, tuple(np.shape(leaf) for leaf in jax.tree.leaves(s.traced))) for s in splits}
            assert len(programs) == 1, name


# Samples.


def case(number, side):
    return Case(key(1), np.zeros((number, side, side, 3), np.uint8), None, np.float32(0), ())


def test_blue_noise_keeps_the_share_of_pixels_of_a_normal_field():
    phases = 2 * np.pi * threefry.uniform(key(2), 60, 32, 16)
    field = np.asarray(jax.jit(phase_noise.field)(phases, phase_noise.blue_power(32)))
    kept = [100 * (field > 0.3 * value - 2.5).mean() for value in CBAR_CONSTANTS["cifar"]["blue_noise_sample"]]
    assert abs(kept[0] - 98.9) < 0.3 and abs(kept[-1] - 89.3) < 0.5, kept
    neighbors = np.corrcoef(field[:, :, 1:].ravel(), field[:, :, :-1].ravel())[0, 1]
    assert neighbors < -0.1  # blue noise: low frequencies are weak


@slow
def test_samples_have_the_authors_distributions(monkeypatch):
    taken = {}

    def catch(name):
        return lambda x, *samples: taken.setdefault(name, [np.asarray(s) for s in samples]) and x

    for module, name in (
        (overlays, "checkerboard"),
        (sparkles, "sparkles"),
        (waves, "single_frequency"),
        (waves, "cocentric_sine_waves"),
        (distortions, "ripple"),
        (turbulence, "plasma_noise"),
    ):
        monkeypatch.setattr(module, name, catch(name))
    monkeypatch.setattr(turbulence, "plasma", lambda samples, height, width: samples.iterations)
    for name in ("checkerboard_cutout", "sparkles", "single_frequency_greyscale", "cocentric_sine_waves", "ripple"):
        cbar.CORRUPTIONS[name].function(case(4000, 10))
    cbar.CORRUPTIONS["plasma_noise"].function(case(4000, 10))
    _, cell, grid, _ = taken["checkerboard"]
    assert 1 <= cell.min() and cell.max() <= 2.5 and abs(cell.mean() - 1.75) < 0.02 and grid.shape[1:] == (40, 40)
    centers, rays, _ = taken["sparkles"]
    assert rays.min() == 50 and rays.max() == 199 and abs(centers.mean() - 5) < 0.05
    frequency = np.abs(taken["single_frequency"][0])
    assert frequency.max() <= np.pi and abs((frequency[:, 0] >= frequency[:, 1]).mean() - 0.5) < 0.03
    _, waved, wave, ring, _ = taken["cocentric_sine_waves"]
    assert abs(waved.mean() - 5) < 0.2 and abs(wave.mean() - 0.5) < 0.02 and abs(ring.mean() - 0.5) < 0.02
    lengths, phases, _ = taken["ripple"]
    assert 1 <= lengths.min() and lengths.max() <= 3 and abs(phases.mean() - np.pi) < 0.05
    assert np.unique(taken["plasma_noise"][0]).tolist() == [4, 5, 6]


# Mistakes.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "plasma_noise"}, r"no constants 'cifar': that C-bar has blue_noise_sample, .*constants='imagenet'"),
        (
            {"name": "ripple", "constants": "imagenet"},
            r"no constants 'imagenet': that C-bar has blue_noise_sample, .*constants='cifar'",
        ),
        ({"name": "transverse_chromatic_aberration"}, r"wanted one of .*transverse_chromatic_abberation"),
        ({"name": "concentric_sine_waves"}, r"wanted one of .*cocentric_sine_waves"),
        ({"severity": 6}, r"severity is 6; wanted 1 or more, at most 5"),
        (
            {"name": "pinch_and_twirl", "images": np.zeros((1, 2, 9, 3), np.uint8)},
            r"images are 2 x 9; wanted 3 or more pixels on each side",
        ),
    ],
)
def test_mistakes_say_what_was_wanted(change, message):
    given = {"images": np.zeros((1, 8, 8, 3), np.uint8), "name": "lines", "severity": 3} | change
    with pytest.raises(ValueError, match=message):
        corruptions.corrupt(key(), **given)
