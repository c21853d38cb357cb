"""Sequences of perturbed images: the frames of make_cifar_p.py."""

import jax
import numpy as np
import pytest
from as_users import jit

from jaxmix.robustness import sequences
from jaxmix.robustness.corruptions import noise, quantize
from jaxmix.robustness.sequences import geometry
from jaxmix.robustness.sequences.constants import CONSTANTS

CIFAR = CONSTANTS["cifar"]
# Share of the values that may be one level off: a value between two levels may be truncated either way.
TOLERANCES = {
    "translate": 0.0,
    "rotate": 5e-3,
    "scale": 5e-3,
    "shear": 5e-3,
    "brightness": 1e-3,
    "gaussian_blur": 1e-3,
    "zoom_blur": 5e-2,
    "tilt": 2e-3,
}


@pytest.mark.parametrize("name", TOLERANCES)
def test_frames_without_samples_are_the_authors(golden, name):
    numbers = golden(f"beyond/cifar_p_{name}")
    made = np.asarray(sequences.perturb(jax.random.key(0), numbers["images"], name))[:, numbers["frame"]]
    difference = np.abs(made.astype(int) - numbers["frames"])
    assert difference.max() <= 1 and (difference > 0).mean() <= TOLERANCES[name], (
        difference.max(),
        (difference > 0).mean(),
    )


@pytest.mark.parametrize("name", ["rotate", "scale", "shear", "tilt"])
def test_matrices_are_the_authors(golden, name):
    numbers = golden(f"beyond/cifar_p_{name}")
    values = CIFAR[name]
    if name == "tilt":
        made = geometry.homographies(values, (32, 32))[numbers["frame"]]
        expected = np.linalg.inv(numbers["matrix"])
        expected /= expected[:, 2:, 2:]
    else:
        change = {"rotate": "degrees"}.get(name, name)
        made = geometry.matrices(values, change, (32, 32), 0.5)[numbers["frame"]]
        expected = numbers["matrix"]
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=2e-6)  # float32


def test_noise_is_the_authors_for_their_samples(golden):
    numbers = golden("beyond/cifar_p_noise")
    x = np.repeat(numbers["image"][None].astype(np.float32) / np.float32(255), 6, 0)
    for name, function in (("gaussian", noise.gaussian), ("speckle", noise.speckle)):
        call = jit(lambda z, sigma, function=function: quantize.truncated(function(x, z, sigma)))
        for difficulty in (1, 2, 3):
            made = call(numbers[f"z_{name}"], np.float32(CIFAR[f"{name}_noise"][difficulty - 1]))
            difference = np.abs(np.asarray(made).astype(int) - numbers[f"{name}_{difficulty}"])
            assert difference.max() <= 1 and (difference > 0).mean() <= 1e-3
    call = jit(lambda counts, photons: quantize.truncated(noise.shot(counts, photons)))
    for difficulty in (1, 2, 3):
        made = call(numbers[f"shot_counts_{difficulty}"], np.float32(CIFAR["shot_noise"][difficulty - 1]))
        np.testing.assert_array_equal(made, numbers[f"shot_{difficulty}"])
