"""Chains: the loop over images and the vectorized passes give the same images."""

import collections
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from as_users import jit

from jaxmix.methods.augmix import THIRTEEN
from jaxmix.pixels import affine, packing, random_operations, search_spaces
from jaxmix.pixels.operation_chains import Operation, Resampling, apply_chains, loop_over_images, vectorized

SPACES = {
    "augmix": THIRTEEN,
    "autoaugment": tuple(search_spaces.autoaugment(10).values()),
    "trivialaugment_wide": tuple(search_spaces.trivialaugment_wide(31).values()),
}
# An operation that changes nothing stands last.
RANGED = [ranged.operation for space in SPACES.values() for ranged in space]
OPERATIONS = (*dict.fromkeys(operation for operation in RANGED if operation != Operation()), Operation())
FORMS = (loop_over_images, vectorized)
SIZE, CHAINS, DEPTH = 24, 2, 2


@functools.cache
def sampled(space):
    """Levels up to the highest of every operation of a space, and of none."""
    generator, top = np.random.default_rng(0), 30 if space == "trivialaugment_wide" else 9.9
    shape = (SIZE, CHAINS, DEPTH)
    operation = np.arange(np.prod(shape)).reshape(shape) % (len(SPACES[space]) + 1) - 1
    operation[0, 0] = -1  # a chain that changes nothing
    level = generator.uniform(0.1, top, shape).astype(np.float32)
    negative = generator.random(shape) < 0.5
    return random_operations.Sampled(*map(jnp.asarray, (np.int32(operation), level, negative)))


def images():
    """Small images of noise and of slow waves."""
    noise = np.random.default_rng(1).integers(0, 256, (SIZE, 20, 17, 3))
    wave = 128 + 90 * np.sin(np.arange(20) / 4)[:, None, None] * np.cos(np.arange(17) / 3)[:, None]
    return np.where(np.arange(SIZE)[:, None, None, None] % 2, noise, wave[None]).astype(np.uint8)


@functools.cache
def steps(space):
    """Indices into all operations, and amounts, of what is sampled from a space."""
    places = jnp.array([*(OPERATIONS.index(ranged.operation) for ranged in SPACES[space]), len(OPERATIONS) - 1])

    @jit
    def indices_and_amounts(chosen):
        _, index, amount = random_operations.indices_and_amounts(chosen, SPACES[space], 20, 17)
        return places[index], amount

    return indices_and_amounts(sampled(space))


def test_every_operation_is_among_those_sampled():
    for name, space in SPACES.items():
        assert set(np.unique(sampled(name).operation)) == set(range(-1, len(space)))


INTERPOLATIONS = [affine.bilinear, pytest.param(affine.nearest, marks=pytest.mark.slow)]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS, ids=lambda f: f.__name__)
def test_both_forms_give_the_same_images_and_chains_of_nothing_change_nothing(interpolation):
    x = images()
    resampling = Resampling(interpolation, int(packing.grey_pixel(9, 3)))
    run = [jit(functools.partial(form, OPERATIONS, resampling)) for form in FORMS]
    for space in SPACES:
        made = [np.asarray(form(jnp.asarray(x), *steps(space))).astype(int) for form in run]
        wrong = np.abs(made[0] - made[1])
        assert made[0].shape == (SIZE, CHAINS, 20, 17, 3) and made[0].std() > 30
        # As compiled today they are equal. A compiler may fuse products and sums in one of them only: a level, rarely.
        assert wrong.max() <= 1
        assert (wrong > 0).mean() < 1e-4
        np.testing.assert_array_equal([one[0, 0] for one in made], [x[0]] * 2)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_packed_images_are_the_images_again(channels):
    x = np.random.default_rng(1).integers(0, 256, (2, 5, 4, channels)).astype(np.uint8)

    @jit
    def unpacked(x):
        return packing.unpack(packing.pack(x), channels), packing.extrema(packing.pack(x[0]), channels)

    again, extrema = unpacked(x)
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(extrema, (x[0].min((0, 1)), x[0].max((0, 1))))


def lowered(platform):
    """How often each StableHLO operation occurs in `apply_chains` with all of AugMix's operations."""
    shapes = ((5, 16, 12, 3), jnp.uint8), ((5, 3, 3), jnp.int32), ((5, 3, 3), jnp.float32)

    def run(images, index, amount):
        return apply_chains([ranged.operation for ranged in THIRTEEN], images, index, amount)

    exported = jax.export.export(jax.jit(run), platforms=(platform,))(*(jax.ShapeDtypeStruct(*one) for one in shapes))
    return collections.Counter(re.findall(r"stablehlo\.(\w+)", exported.mlir_module()))


def test_chains_loop_over_images_on_cpu_and_nowhere_else_and_never_call_the_host():
    counts = {platform: lowered(platform) for platform in ("cpu", "cuda", "tpu")}
    assert counts["cpu"]["while"] == 2  # over images and chains, and over the steps of a chain
    assert counts["cuda"]["while"] == counts["tpu"]["while"] == 0
    assert all(count["custom_call"] == 0 for count in counts.values())
