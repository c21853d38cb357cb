"""The corruptions of C-bar given the authors' samples: the pixels of their transforms.

One jitted function takes all severities, whose constants are traced.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users import jit

from jaxmix.robustness.corruptions import (
    caustics,
    cbar,
    distortions,
    overlays,
    phase_noise,
    quantize,
    sparkles,
    splines,
    turbulence,
    waves,
)
from jaxmix.robustness.corruptions.severities import constant


def both(function):
    """The function jitted, its result in 8-bit levels."""
    return jit(lambda x, *rest: quantize.truncated(function(x, *rest)))


def corrupted(golden, name, constants, function, samples):
    """What was made and what was expected, levels of the five severities."""
    numbers = golden(f"beyond/cbar_{constants}_{name}")
    images = numbers["images"]
    x = images.astype(np.float32) / np.float32(255)
    made, call = [], both(function)
    for place in range(5):
        split = cbar.CORRUPTIONS[name].split(constant(name, place + 1, constants), 32, images)
        taken = samples(lambda array, place=place: float32(numbers[array][place]), numbers)
        made.append(np.asarray(call(x, *taken, *jax.tree.leaves(split.traced, is_leaf=lambda leaf: leaf is None))))
    made, expected = np.stack(made).astype(int), numbers["out_u8"].reshape(5, *x.shape).astype(int)
    return made, expected


def float32(array):
    return np.nan_to_num(np.asarray(array, np.float32), nan=1e4)


def int32(array):
    return array.astype(np.int32)


def blue(x, phases, threshold):
    return phase_noise.blue_noise(x, phase_noise.field(phases, phase_noise.blue_power(32)) > threshold)


def brownish(x, phases, amplitude):
    fields = phase_noise.field(phases, phase_noise.brownish_power(32))
    return phase_noise.brownish_noise(x, jnp.moveaxis(fields, 1, -1), amplitude)


def sparkle(x, centers, rays, normals, radius):
    return sparkles.sparkles(x, centers, rays, sparkles.ray_lengths(normals, radius, 1.0))


def inverse_sparkle(x, center, rays, normals, exponent):
    return sparkles.inverse_sparkles(x, center, rays, sparkles.ray_lengths(normals, 8.0, -np.inf), exponent)


def perlin(x, permutation, gradients, share):
    lattice = turbulence.Lattice(permutation[:, :256], gradients[:, :256])
    return turbulence.perlin_noise(x, turbulence.perlin(lattice, 32, 32, 32 * 32 / 224), share)


def plasma(x, time, iterations, sharpness, scale, share):
    samples = turbulence.Plasma(time, iterations, sharpness, scale)
    return turbulence.plasma_noise(x, turbulence.plasma(samples, 32, 32), share)


def caustic(x, time, size, lens, brightness):
    return caustics.caustic_refraction(x, caustics.light(time, size, 32, 32), lens, brightness)


def pinch(x, angles, angle, amount):
    return distortions.pinch_and_twirl(x, angles, amount, 10)


def aberration(x, order, *weights):
    return splines.chromatic_aberration(x, order, [weights[k : k + 2] for k in (0, 2, 4)])


# Of each: the constants, the function, its samples, and the tolerance, a share of values that are one level off.
CASES = {
    "blue_noise_sample": ("cifar", blue, lambda of, _: (of("draws"),), 1e-3),
    "brownish_noise": ("cifar", brownish, lambda of, _: (of("draws"),), 1e-3),
    "checkerboard_cutout": (
        "cifar",
        overlays.checkerboard,
        lambda of, _: (of("p_angle"), of("p_scales")[:, 0], of("draws")),
        1e-3,
    ),
    "sparkles": ("cifar", sparkle, lambda of, _: (of("p_centers"), int32(of("p_nrays")), of("draws")), 1e-3),
    "inverse_sparkles": (
        "cifar",
        inverse_sparkle,
        lambda of, _: (of("p_center"), int32(of("p_rays")), of("draws")),
        1e-3,
    ),
    "single_frequency_greyscale": (
        "imagenet",
        waves.single_frequency,
        lambda of, _: (of("p_freq"), of("p_phase")),
        1e-3,
    ),
    "cocentric_sine_waves": (
        "imagenet",
        waves.cocentric_sine_waves,
        lambda of, _: (of("p_offset"), of("p_freq"), of("p_amplitude"), of("p_ring_width")),
        1e-3,
    ),
    "plasma_noise": (
        "imagenet",
        plasma,
        lambda of, _: (of("p_time"), int32(of("p_iterations")), of("p_sharpness"), of("p_scale")),
        5e-3,
    ),
    "perlin_noise": (
        "imagenet",
        perlin,
        lambda of, _: (int32(of("permutation"))[None], of("gradients")[None]),
        5e-3,
    ),
    "caustic_refraction": ("imagenet", caustic, lambda of, _: (of("p_time"), of("p_size")), 5e-3),
    "ripple": ("cifar", distortions.ripple, lambda of, _: (of("p_wavelengths"), of("p_phases")), 2e-2),
    "pinch_and_twirl": ("cifar", pinch, lambda of, _: (of("p_angles"),), 2e-2),
    "transverse_chromatic_abberation": (
        "cifar",
        aberration,
        lambda of, _: (np.argsort(np.argsort(of("p_scales"), -1), -1).astype(np.int32),),
        2e-2,
    ),
    "circular_motion_blur": ("cifar", splines.circular_blur, lambda of, _: (), 2e-2),
}


@pytest.mark.parametrize("name", CASES)
def test_corruptions_of_cbar_are_the_authors_for_their_samples(golden, name):
    constants, function, samples, tolerance = CASES[name]
    made, expected = corrupted(golden, name, constants, function, samples)
    difference = np.abs(made - expected)
    share = (difference > 0).mean()
    assert difference.max() <= 1 and share <= tolerance, (difference.max(), share)


def test_lines_cover_what_the_authors_anti_aliased_lines_cover(golden):
    turn = np.float32(2 * np.pi)

    def drawn(x, uniform, angle, spread, number):
        return overlays.lines(
            x, 32 * uniform[..., :2], angle[:, None] + turn * spread[:, None] * (uniform[..., 2] - 0.5)
        )

    made, expected = corrupted(
        golden, "lines", "cifar", drawn, lambda of, _: (of("draws"), of("p_angle"), of("p_angle_variation"))
    )
    numbers = golden("beyond/cbar_cifar_lines")
    images = numbers["images"][None].astype(int)
    assert np.abs(made - expected).mean() <= 3, np.abs(made - expected).mean()
    areas = [(np.abs(out - images) > 0).any(-1).mean() for out in (made, expected)]
    assert abs(areas[0] / areas[1] - 1) <= 0.2, areas
