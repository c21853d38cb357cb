"""Chains: the loop over pictures and the passes over all of them give the same pictures."""

import collections
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.methods.augmix import THIRTEEN
from jaxmix.pixels import affine, packing, random_operations, search_spaces
from jaxmix.pixels.operation_chains import Frame, Operation, one_by_one, together

SPACES = {
    "augmix": THIRTEEN,
    "narrow": tuple(search_spaces.narrow(10).values()),
    "wide": tuple(search_spaces.wide(31).values()),
}
FORMS = (one_by_one, together)
SIZE, CHAINS, DEPTH = 24, 2, 2


@functools.cache
def drawn(number, top):
    """Levels up to that of every operation, on small pictures of noise and of slow waves."""
    generator = np.random.default_rng(0)
    shape = (SIZE, CHAINS, DEPTH)
    wave = 128 + 90 * np.sin(np.arange(20) / 4)[:, None, None] * np.cos(np.arange(17) / 3)[:, None]
    x = np.where(
        np.arange(SIZE)[:, None, None, None] % 2, generator.integers(0, 256, (SIZE, 20, 17, 3)), wave[None]
    ).astype(np.uint8)
    move = np.arange(np.prod(shape)).reshape(shape) % (number + 1) - 1  # each of them, and none
    level = generator.uniform(0.1, top, shape).astype(np.float32)
    return x, random_operations.Sampled(*map(jnp.asarray, (np.int32(move), level, generator.random(shape) < 0.5)))


def test_every_operation_is_among_those_drawn():
    for space in SPACES.values():
        assert set(np.unique(drawn(len(space), 10)[1].move)) == set(range(-1, len(space)))


@pytest.mark.parametrize("interpolation", [affine.bilinear, affine.nearest])
@pytest.mark.parametrize("space", SPACES)
def test_both_forms_give_the_same_pictures(monkeypatch, space, interpolation):
    x, draws = drawn(len(SPACES[space]), 30 if space == "wide" else 9.9)
    made = []
    for form in FORMS:

        def run(operations, pictures, index, amount, frame, form=form):
            return form(operations, frame, pictures, index, amount)

        monkeypatch.setattr(operation_chains, "run", run)
        frame = Frame(interpolation, packing.grey(9, 3))
        chained = jax.jit(lambda x, frame=frame: random_operations.chained(x, draws, SPACES[space], frame))
        made.append(np.asarray(chained(x)).astype(int))
    wrong = np.abs(made[0] - made[1])
    assert made[0].shape == (SIZE, CHAINS, 20, 17, 3) and made[0].std() > 30
    # As compiled today they are equal. A compiler may fuse products and sums in one of them only: a level, rarely.
    assert wrong.max() <= 1
    assert (wrong > 0).mean() < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_of_nothing_leaves_the_picture(form):
    pictures = jnp.asarray(drawn(13, 10)[0][:3])
    steps = [*(move.operation for move in THIRTEEN), Operation()]
    nothing = jnp.full((3, 1, 2), len(THIRTEEN), jnp.int32)
    made = jax.jit(functools.partial(form, steps, Frame()))(pictures, nothing, jnp.full((3, 1, 2), 5.0))
    np.testing.assert_array_equal(made[:, 0], pictures)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_packed_pictures_are_the_pictures_again(channels):
    x = np.random.default_rng(1).integers(0, 256, (2, 5, 4, channels)).astype(np.uint8)
    np.testing.assert_array_equal(packing.unpack(packing.pack(jnp.asarray(x)), channels), x)
    low, high = packing.extremes(packing.pack(jnp.asarray(x[0])), channels)
    np.testing.assert_array_equal((low, high), (x[0].min((0, 1)), x[0].max((0, 1))))


def lowered(platform):
    """How often each StableHLO operation occurs in `run` with all of AugMix's operations."""
    shapes = ((5, 16, 12, 3), jnp.uint8), ((5, 3, 3), jnp.int32), ((5, 3, 3), jnp.float32)

    def run(pictures, index, amount):
        return run([move.operation for move in THIRTEEN], pictures, index, amount)

    exported = jax.export.export(jax.jit(run), platforms=(platform,))(*(jax.ShapeDtypeStruct(*one) for one in shapes))
    return collections.Counter(re.findall(r"stablehlo\.(\w+)", exported.mlir_module()))


def test_run_loops_over_pictures_on_cpu_and_nowhere_else_and_never_calls_the_host():
    counts = {platform: lowered(platform) for platform in ("cpu", "cuda", "tpu")}
    assert counts["cpu"]["while"] == 2  # over pictures and chains, and over the steps of a chain
    assert counts["cuda"]["while"] == counts["tpu"]["while"] == 0
    assert all(count["custom_call"] == 0 for count in counts.values())
