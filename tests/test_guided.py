"""What holds for every method that is guided by maps: bad maps are safe or loud, and have no gradient."""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from specimens import GUIDED, SHAPE, images, key

import jaxmix

CHEAP = {"saliencymix", "attentivemix", "snapmix"}  # to compile
pytestmark = pytest.mark.unoptimized
every_guided_method = pytest.mark.parametrize("name", sorted(GUIDED))


@functools.cache
def guided(name):
    """The method as a jitted function of images and maps, and the name of its maps."""
    method = getattr(jaxmix, name)
    _, _, maps, *rest = (p.name for p in inspect.signature(method).parameters.values() if p.default is p.empty)
    labels = (jnp.arange(SHAPE[0]) % 3,) if rest else ()
    options = {"blocks": 5} if "blocks" in inspect.signature(method).parameters else {}
    return jax.jit(lambda x, m: method(key(), x, m, *labels, **options)), maps


def some_maps(shape=SHAPE[:3]):
    return jnp.asarray(np.random.default_rng(11).random(shape, np.float32))


UNINFORMATIVE = {
    "all zero": jnp.zeros(SHAPE[:3]),
    "constant": jnp.full(SHAPE[:3], 3.5, jnp.float32),
    "all NaN": jnp.full(SHAPE[:3], jnp.nan, jnp.float32),
    "one NaN": some_maps().at[:, 2, 3].set(jnp.nan),
    "one infinity": some_maps().at[:, 2, 3].set(jnp.inf),
    "minus infinity": some_maps().at[:, 2, 3].set(-jnp.inf),
}


@every_guided_method
@pytest.mark.parametrize("maps", UNINFORMATIVE.values(), ids=UNINFORMATIVE.keys())
def test_uniform_and_non_finite_maps_are_safe(name, maps):
    method, _ = guided(name)
    mixed, mix = method(images(), maps)
    assert jnp.isfinite(mixed).all() and jnp.isfinite(mix.weight).all() and jnp.isfinite(mix.mask).all()
    assert (mix.weight >= 0).all() and (mix.weight <= 1 + 1e-6).all()
    if name not in ("snapmix", "attentivemix"):  # whose label or whose cells may rest on the finite part of a map
        chex.assert_trees_all_close((mixed, mix), method(images(), jnp.ones_like(maps)), atol=1e-6)


@every_guided_method
def test_the_scale_of_a_map_changes_nothing(name):
    method, _ = guided(name)
    for scale in (2.0**-90, 2.0**90):
        # By a power of two: the same but for guards against 0.
        chex.assert_trees_all_close(method(images(), some_maps()), method(images(), scale * some_maps()), atol=2e-6)


@every_guided_method
def test_no_gradient_passes_through_a_map(name):
    method, _ = guided(name)
    gradient = jax.jit(jax.grad(lambda m: jnp.square(method(images(), m)[0]).sum()))(some_maps())
    np.testing.assert_array_equal(gradient, 0)


@every_guided_method
def test_wrong_maps_are_named_with_what_came_and_what_was_wanted(name):
    method, maps = guided(name)
    with pytest.raises(ValueError, match=rf"{maps} has shape \(4, 15, 10\); wanted one map per image, \[5 15 10\]"):
        method(images(), some_maps((4, 15, 10)))
    with pytest.raises(ValueError, match=rf"{maps} has shape \(5, 15, 10, 1\).*{maps}\[\.\.\., 0\]"):
        method(images(), some_maps((5, 15, 10, 1)))
    with pytest.raises(ValueError, match=rf"{maps} has dtype int32; wanted a floating dtype"):
        method(images(), jnp.ones((5, 15, 10), jnp.int32))
    if name not in ("snapmix", "attentivemix"):  # which take maps of any size
        with pytest.raises(ValueError, match=rf"{maps} has maps of 14 x 10, but the images are 15 x 10.*resize"):
            method(images(), some_maps((5, 14, 10)))


@every_guided_method
def test_maps_of_other_dtypes_are_read_as_they_are(name):
    method, _ = guided(name)
    for dtype in (jnp.bfloat16, jnp.uint8):
        maps = (200 * some_maps()).astype(dtype)
        found = jax.make_jaxpr(lambda m: method(images(), m))(maps)
        widened = jax.make_jaxpr(lambda m: method(images(), m.astype(jnp.float32)))(maps)
        outputs = [[str(out.aval) for out in program.jaxpr.outvars] for program in (found, widened)]
        assert outputs[0] == outputs[1]


@pytest.mark.parametrize("name", [n if n in CHEAP else pytest.param(n, marks=pytest.mark.slow) for n in sorted(GUIDED)])
def test_mixes_by_maps_of_other_dtypes_are_those_of_floats(name):
    method, _ = guided(name)
    maps = [(200 * some_maps()).astype(dtype) for dtype in (jnp.bfloat16, jnp.uint8)]
    # In one program, whose draws are compiled once.
    for found, same in zip(jax.jit(lambda x, maps: [method(x, m) for m in maps])(images(), maps), maps, strict=True):
        chex.assert_trees_all_close(found, method(images(), same.astype(jnp.float32)), atol=1e-6)
