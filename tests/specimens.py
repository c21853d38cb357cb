"""What several tests share: every public method as a function of key and batch, images, and what must agree."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import arguments
from jaxmix.methods.enumeration import by_name, map_names

SHAPE = (5, 15, 10, 3)  # height and width differ, and one is odd


def parameters_of(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(method).parameters)


def _maps(method: Callable[..., Any], x: jax.Array) -> list[jax.Array]:
    """What a method takes after the batch: the mean size of a pixel as its saliency, three classes in turn, and images
    a little larger to mix with.
    """
    maps = jnp.abs(x.astype(jnp.float32)).mean(3)
    known = {"saliency": maps, "attention": maps, "cam": maps, "labels": jnp.arange(x.shape[0]) % 3}
    if "mixing_set" in map_names(method):
        known["mixing_set"] = images((3, x.shape[1] + 1, x.shape[2] + 2, x.shape[3]), jnp.uint8, seed=8)
    return [known[name] for name in map_names(method)]


def _guided(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method as a function of key and batch; the images are its maps."""

    @functools.wraps(method)
    def call(key, batch, **options):
        x = arguments.images(batch)
        if "blocks" in parameters_of(method):  # the largest number that fits, up to five
            options = {"blocks": math.gcd(math.gcd(x.shape[1], x.shape[2]), 60)} | options
        return method(key, batch, *_maps(method, x), **options)

    return call


METHODS = {name: _guided(method) for name, method in by_name().items()}
GUIDED = {name for name, method in by_name().items() if set(map_names(method)) - {"mixing_set"}}
WEIGHS_BY_MAPS = {"snapmix"}  # not by pixels
DRAWS_NOTHING = {"attentivemix", "guidedmix"}
SHARES_NO_DRAW = {"guidedmix"}  # has no per_batch, as it never draws
SHARES_WITH_MANY = {"comixup"}  # has no one partner, and nothing that a batch could share
# Makes its own pixels; the mix is empty.
KEEPS_LABELS = {
    "augmix", "autoaugment", "patch_gaussian", "patch_uniform", "pixmix", "randaugment", "random_autoaugment",
    "trivialaugment",
}  # fmt: skip
WORKS_ON_LEVELS = {"autoaugment", "randaugment", "random_autoaugment", "trivialaugment"}  # integers have no gradient
LEAVES_OUT_PIXELS = {"cutout"}  # uncovered pixels are 0, so a constant image doesn't stay constant

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
# By value for three (soft masks, a box, a box with a warp) by default, for the others in CI only.
QUICK = {"mixup", "cutmix", "resizemix"}


def slowly(names: Iterable[str]) -> Any:
    """A test of these methods, of which those that aren't in QUICK are slow."""
    return pytest.mark.parametrize(
        "method",
        [pytest.param(METHODS[name], marks=() if name in QUICK else pytest.mark.slow) for name in names],
        ids=names,
    )


every_method_slowly = slowly(METHODS)


def images(shape: tuple[int, ...] = SHAPE, dtype: Any = jnp.float32, seed: int = 7) -> jax.Array:
    uniform = np.random.default_rng(seed).random(shape, np.float32)
    return jax.device_put(np.asarray(uniform * 255 if dtype == jnp.uint8 else uniform, dtype))  # compiles nothing


def key(seed: int = 0) -> jax.Array:
    return jax.random.key(seed)


@functools.cache
def plainly(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method as it is for three, jitted for the others: see test_eager.py."""
    return method if method.__name__ in QUICK else jax.jit(method)


@functools.cache
def plain(method: Callable[..., Any], seed: int = 0) -> Any:
    """What the method returns for `images`: images and mix."""
    return plainly(method)(key(seed), images())


@functools.cache
def eager(method: Callable[..., Any], seed: int = 0) -> Any:
    """What the method returns for `images` where it isn't compiled: images and mix."""
    return method(key(seed), images())


def assert_same_draws(method: Callable[..., Any], mix: jaxmix.Mix, same: jaxmix.Mix) -> None:
    np.testing.assert_array_equal(mix.source, same.source)
    if np.isin(mix.mask, (0.0, 1.0)).all() or mix.mask.shape[2:] == (1, 1):
        np.testing.assert_array_equal(mix.mask, same.mask)
        if method.__name__ in WEIGHS_BY_MAPS:  # sums of floats, in another order
            np.testing.assert_allclose(mix.weight, same.weight, atol=1e-6)
        else:
            np.testing.assert_array_equal(mix.weight, same.weight)


def assert_same_mixes(method: Callable[..., Any], one: Any, other: Any) -> None:
    """Images and mixes of an eager and of a jitted call."""
    assert_same_draws(method, one[1], other[1])
    # XLA may fuse a multiply and an add, so pixels and soft masks agree to the last rounding.
    chex.assert_trees_all_close(one, other, atol=2e-6)


def assert_weight_is_share(method: Callable[..., Any], mix: jaxmix.Mix, atol: float = 1e-6) -> None:
    """Masks cover each pixel once, and the label's weight is the share of the pixels."""
    mask = np.asarray(mix.mask, np.float64)
    np.testing.assert_allclose(mask.sum(1), 1 if mask.shape[1] > 1 else mask[:, 0], atol=1e-6)
    if method.__name__ in WEIGHS_BY_MAPS:
        assert ((mix.weight >= 0) & (mix.weight <= 1)).all()
    elif mask.shape[1] == 1:
        np.testing.assert_array_equal(mix.weight, 1.0)
    elif np.isin(mask, (0.0, 1.0)).all():
        np.testing.assert_array_equal(mix.weight, np.float32(mask.mean((2, 3))))
    else:
        np.testing.assert_allclose(mix.weight, mask.mean((2, 3)), atol=atol)
