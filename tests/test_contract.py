"""What holds for every public method: a method added later is covered by being public.

Methods that are guided by maps get them here from the pictures themselves.
"""

import collections
import functools
import inspect
import math
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix import arguments

SHAPE = (5, 15, 10, 3)  # height and width differ, and one is odd


def _is_method(value):
    return inspect.isfunction(value) and list(inspect.signature(value).parameters)[:2] == ["key", "batch"]


def _arguments(method, x):
    """What a guided method takes after the batch: the mean size of a pixel as its saliency, three classes in turn."""
    maps = jnp.abs(x.astype(jnp.float32)).mean(3)
    known = {"saliency": maps, "attention": maps, "cam": maps, "labels": jnp.arange(x.shape[0]) % 3}
    parameters = list(inspect.signature(method).parameters.values())[2:]
    return [known[p.name] for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def _guided(method):
    """The method as a function of key and batch."""

    @functools.wraps(method)
    def call(key, batch, **options):
        x = arguments.images(batch)
        if "blocks" in inspect.signature(method).parameters:  # as many as fit, up to five
            options = {"blocks": math.gcd(math.gcd(x.shape[1], x.shape[2]), 60)} | options
        return method(key, batch, *_arguments(method, x), **options)

    return call


VIEWS = {"augmix_views"}  # returns no mix
METHODS = {
    name: _guided(getattr(jaxmix, name))
    for name in jaxmix.__all__
    if _is_method(getattr(jaxmix, name)) and name not in VIEWS
}
GUIDED = {name for name, method in METHODS.items() if _arguments(method, jnp.zeros((1, 1, 1, 1)))}
WEIGHS_BY_MAPS = {"snapmix"}  # not by pixels
DRAWS_NOTHING = {"attentivemix"}
SHARES_WITH_MANY = {"comixup"}  # has no one partner, and nothing that a batch could share
KEEPS_LABELS = {
    "augmix",
    "autoaugment",
    "randaugment",
    "trivialaugment",
}  # and makes pictures that the mix leaves alone
WORKS_ON_LEVELS = KEEPS_LABELS - {"augmix"}  # whole numbers have no gradient
LEAVES_OUT_PIXELS = {"cutout"}  # what isn't covered is 0, so a constant picture doesn't stay constant

HOST_CALL = re.compile(r"custom_call\s*@\w*callback")

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


def pictures(shape=SHAPE, dtype=jnp.float32, seed=7):
    uniform = np.random.default_rng(seed).random(shape, np.float32)
    return jnp.asarray(uniform * 255 if dtype == jnp.uint8 else uniform, dtype)


def key(seed=0):
    return jax.random.key(seed)


def parameters_of(method):
    return inspect.signature(method).parameters


def takes_partner(method):
    return "partner" in parameters_of(method)


@functools.cache
def jitted(method):
    return jax.jit(method)


TRACES = collections.Counter()


@functools.cache
def with_options(method):
    """The method with every number of its hyper-parameters traced: one program for all their values."""
    defaults = {name: values[0] for name, values in traceable(method).items()}

    @jax.jit
    def program(key, x, options):
        TRACES[method] += 1
        return method(key, x, **options)

    return lambda key, x, **options: program(key, x, defaults | options)


def traceable(method):
    """Hyper-parameters with a number or numbers as default, and a second value each that is allowed too."""
    found = {}
    for name, parameter in parameters_of(method).items():
        default = parameter.default
        if isinstance(default, float) or name == "size" or (method.__name__, name) == ("attentivemix", "cells"):
            found[name] = (float(default), 0.5 * float(default) if default else 0.25)
        elif isinstance(default, tuple) and all(isinstance(number, float) for number in default):
            found[name] = (default, tuple(0.5 * number for number in default))
    return found


def test_the_methods_of_the_design_are_public():
    promised = "mixup cutmix cutout smoothmix_s smoothmix_c resizemix fmix gridmix randommix"
    guided = {"saliencymix", "attentivemix", "sage", "snapmix", "puzzlemix", "comixup"}
    assert set(promised.split()) | guided <= METHODS.keys()
    assert guided == GUIDED


@every_method
def test_jit_gives_what_eager_gives(method):
    (eager, mix), (compiled, compiled_mix) = method(key(), pictures()), jitted(method)(key(), pictures())
    np.testing.assert_array_equal(mix.source, compiled_mix.source)
    # XLA may fuse a multiply and an add, so pixels and soft masks agree to the last rounding.
    chex.assert_trees_all_close((eager, mix), (compiled, compiled_mix), atol=2e-6)


@every_method
def test_draws_are_the_same_bits_eager_or_jitted(method):
    calls = [(method, jitted(method))]
    if "alpha" in parameters_of(method):
        # A constant that XLA may compute with ahead, and an argument that it can't.
        eager = functools.partial(method, alpha=0.7)
        calls += [(eager, jax.jit(eager)), (eager, functools.partial(with_options(method), alpha=0.7))]
    for eager, compiled in calls:
        for seed in range(2):
            (_, mix), (_, same) = eager(key(seed), pictures()), compiled(key(seed), pictures())
            assert_same_draws(method, mix, same)


def assert_same_draws(method, mix, same):
    np.testing.assert_array_equal(mix.source, same.source)
    if np.isin(mix.mask, (0.0, 1.0)).all() or mix.mask.shape[2:] == (1, 1):
        np.testing.assert_array_equal(mix.mask, same.mask)
        if method.__name__ in WEIGHS_BY_MAPS:  # sums of floats, in another order
            np.testing.assert_allclose(mix.weight, same.weight, atol=1e-6)
        else:
            np.testing.assert_array_equal(mix.weight, same.weight)


@every_method
def test_vmap_over_keys_gives_what_a_loop_gives(method):
    keys = jax.random.split(key(), 3)
    images, mix = jax.jit(jax.vmap(method, in_axes=(0, None)))(keys, pictures())
    for i, one in enumerate(jax.random.split(key(), 3)):
        alone = jitted(method)(one, pictures())
        chex.assert_trees_all_close(alone, jax.tree.map(lambda leaf, i=i: leaf[i], (images, mix)), atol=2e-6)


@every_method
def test_dtype_and_shape_are_kept_and_the_mix_is_float32(method):
    # Half a step of each.
    errors = {jnp.float32: 0, jnp.bfloat16: 2**-8, jnp.float16: 2**-11, jnp.uint8: 0.5}
    batches = [pictures(dtype=dtype) for dtype in errors]
    with jax.debug_key_reuse(False):  # one key in one program, whose draws are compiled once
        results = jax.jit(lambda key, batches: [method(key, x) for x in batches])(key(), batches)
    for (images, mix), x, error in zip(results, batches, errors.values(), strict=True):
        assert images.dtype == x.dtype and images.shape == x.shape
        assert mix.mask.dtype == mix.weight.dtype == jnp.float32 and mix.source.dtype == jnp.int32
        if method.__name__ not in KEEPS_LABELS:
            exact = jaxmix.apply(mix, x.astype(jnp.float32))
            np.testing.assert_allclose(images.astype(jnp.float32), exact, rtol=0, atol=error + 1e-4 * error + 2e-6)


@every_method
def test_the_mix_has_the_documented_shapes_and_slot_0_is_the_sample(method):
    _, mix = jitted(method)(key(), pictures())
    b, s = mix.source.shape
    assert b == SHAPE[0] and mix.weight.shape == (b, s) and len(mix.warps) == s
    assert mix.mask.shape[:2] == (b, s) and mix.mask.ndim == 4
    assert all(SHAPE[1 + axis] % side == 0 for axis, side in enumerate(mix.mask.shape[2:]))
    np.testing.assert_array_equal(mix.source[:, 0], np.arange(b))
    assert ((mix.source >= 0) & (mix.source < b)).all()


@every_method
@pytest.mark.parametrize("shape", [SHAPE, (2, 8, 8, 1), (7, 7, 16, 2)], ids=str)
def test_label_weight_is_the_share_of_the_pixels(method, shape):
    for seed in range(3):
        images, mix = jitted(method)(key(seed), pictures(shape))
        assert images.shape == shape and jnp.isfinite(images).all() and mix.source.shape[0] == shape[0]
        mask = np.asarray(mix.mask, np.float64)
        np.testing.assert_allclose(mask.sum(1), 1 if mask.shape[1] > 1 else mask[:, 0], atol=1e-6)
        if method.__name__ in WEIGHS_BY_MAPS:
            assert ((mix.weight >= 0) & (mix.weight <= 1)).all()
        elif mask.shape[1] == 1:
            np.testing.assert_array_equal(mix.weight, 1.0)
        elif np.isin(mask, (0.0, 1.0)).all():
            np.testing.assert_array_equal(mix.weight, np.float32(mask.mean((2, 3))))
        else:
            np.testing.assert_allclose(mix.weight, mask.mean((2, 3)), atol=1e-6)


@every_method
def test_images_are_what_the_mix_says(method):
    images, mix = method(key(), pictures())
    if method.__name__ in KEEPS_LABELS:
        np.testing.assert_array_equal(jaxmix.apply(mix, pictures()), pictures())
        np.testing.assert_array_equal(mix.weight, 1)
        return
    np.testing.assert_array_equal(images, jaxmix.apply(mix, pictures()))


@every_method
def test_a_constant_picture_stays_constant(method):
    if method.__name__ not in LEAVES_OUT_PIXELS | KEEPS_LABELS:
        images, _ = jitted(method)(key(), jnp.full(SHAPE, 0.7, jnp.float32))
        np.testing.assert_allclose(images, 0.7, rtol=2e-7)  # two roundings


@every_method
def test_a_batch_of_one_will_do_with_itself_as_partner(method):
    if method.__name__ in SHARES_WITH_MANY:
        return
    x = pictures((1, *SHAPE[1:]))
    images, mix = jax.jit(method)(key(), x, **({"partner": jnp.zeros(1, jnp.int32)} if takes_partner(method) else {}))
    assert images.shape == x.shape and jnp.isfinite(images).all() and mix.source.shape[0] == 1


@every_method
def test_per_batch_draws_once_for_the_batch(method):
    if "per_batch" not in parameters_of(method):
        assert method.__name__ in SHARES_WITH_MANY | KEEPS_LABELS
        return
    _, mix = jax.jit(functools.partial(method, per_batch=True))(key(), jnp.broadcast_to(pictures()[:1], SHAPE))
    if not mix.warps[-1]:  # places of ResizeMix's boxes are per sample all the same
        np.testing.assert_array_equal(mix.mask, np.broadcast_to(mix.mask[:1], mix.mask.shape))
    np.testing.assert_array_equal(mix.weight, np.broadcast_to(mix.weight[:1], mix.weight.shape))
    _, free = jitted(method)(key(), pictures())
    assert mix.mask.shape == free.mask.shape


@every_method
def test_the_named_partner_is_taken(method):
    if takes_partner(method):
        partner = jnp.array([4, 3, 2, 1, 0])
        images, mix = method(key(), pictures(), partner=partner)
        np.testing.assert_array_equal(mix.source[:, 1], partner)
        same, _ = method(key(), pictures(), partner=np.arange(5))
        if not any(mix.warps):
            np.testing.assert_allclose(same, pictures(), rtol=2e-7)


@every_method
def test_a_mapping_with_image_is_a_batch(method):
    from_mapping = method(key(), {"image": pictures(), "label": jnp.arange(5)})
    chex.assert_trees_all_equal(from_mapping, method(key(), pictures()))


@every_method
def test_numpy_images_are_a_batch(method):
    chex.assert_trees_all_equal(jitted(method)(key(), np.asarray(pictures())), jitted(method)(key(), pictures()))


@every_method
def test_legacy_keys_give_the_same_mix(method):
    chex.assert_trees_all_equal(method(jax.random.PRNGKey(5), pictures()), method(jax.random.key(5), pictures()))


@every_method
def test_draws_are_the_same_bits_with_64_bit_numbers_enabled(method):
    x = pictures()
    _, mix = jitted(method)(key(), x)
    with jax.enable_x64(True):
        wide, same = jax.jit(method)(key(), x.astype(jnp.float64))
    assert wide.dtype == jnp.float64
    assert same.mask.dtype == same.weight.dtype == jnp.float32 and same.source.dtype == jnp.int32
    chex.assert_trees_all_close(same, mix, atol=2e-7)


@every_method
def test_another_key_gives_another_mix(method):
    (one, _), (other, _) = jitted(method)(key(0), pictures()), jitted(method)(key(1), pictures())
    assert np.array_equal(one, other) == (method.__name__ in DRAWS_NOTHING)


@every_method
def test_probability_0_is_the_identity_and_1_is_the_method(method):
    def mixed(key, x, p):  # per sample and per batch in one program, whose draws are compiled once
        return [jaxmix.sometimes(method, p, per_batch=per_batch)(key, x) for per_batch in (False, True)]

    mixed = jax.jit(mixed)
    with jaxmix.combinators._depth(1):  # where a method that is a choice itself draws as it does inside another choice
        expected = method(key(), pictures())
    for images, mix in mixed(key(), pictures(), 0.0):
        np.testing.assert_array_equal(images, pictures())
        np.testing.assert_array_equal(jaxmix.apply(mix, pictures()), pictures())
        np.testing.assert_array_equal(mix.weight[:, 0], 1.0)
    for found in mixed(key(), pictures(), 1.0):
        chex.assert_trees_all_close(found, expected, atol=2e-6)


@every_method
def test_gradients_reach_the_pictures_and_are_finite(method):
    gradient = jax.jit(jax.grad(lambda x: jnp.square(method(key(), x)[0]).sum()))(pictures())
    assert jnp.isfinite(gradient).all()
    assert (jnp.abs(gradient).max() > 0) == (method.__name__ not in WORKS_ON_LEVELS)


@every_method
def test_a_traced_hyper_parameter_never_traces_again(method):
    parameters = traceable(method)
    if not parameters:
        assert method.__name__ in {"autoaugment", "trivialaugment"}
        return
    first = {name: values[0] for name, values in parameters.items()}
    chex.assert_trees_all_close(
        with_options(method)(key(), pictures(), **first), method(key(), pictures(), **first), atol=2e-6
    )
    traced = TRACES[method]
    with_options(method)(key(), pictures(), **{name: values[1] for name, values in parameters.items()})
    assert TRACES[method] == traced


@every_method
def test_it_lowers_for_every_platform_without_a_host_callback(method):
    exported = jax.export.export(jitted(method), platforms=("cpu", "cuda", "tpu"))(
        jax.ShapeDtypeStruct((), jax.random.key(0).dtype), jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    )
    assert not HOST_CALL.search(exported.mlir_module())


BAD_BATCHES = {
    "one picture": (jnp.zeros((32, 32, 3)), r"rank 3 and shape \(32, 32, 3\); wanted rank 4"),
    "channels first": (jnp.zeros((4, 3, 32, 32)), r"channels first \(NCHW\).*transpose\(0, 2, 3, 1\)"),
    "grey channels first": (jnp.zeros((4, 1, 28, 28)), r"channels first \(NCHW\)"),
    "whole numbers": (jnp.zeros((4, 8, 8, 3), jnp.int32), r"dtype int32.*wanted a floating dtype or uint8"),
    "no pictures": (jnp.zeros((0, 8, 8, 3)), r"shape \(0, 8, 8, 3\); wanted at least one"),
    "no array": ([[1.0]], r"came as list; wanted an array \[b h w c\]"),
    "mapping without image": ({"images": jnp.zeros((4, 8, 8, 3))}, r"keys \['images'\]; wanted its images under"),
}


@every_method
@pytest.mark.parametrize("mistake", BAD_BATCHES)
def test_a_wrong_batch_says_what_came_and_what_was_wanted(method, mistake):
    batch, message = BAD_BATCHES[mistake]
    with pytest.raises(ValueError, match=message):
        method(key(), batch)


BAD_PARTNERS = {
    "too few": (jnp.array([0, 1]), r"partner has shape \(2,\).*one integer index per sample, shape \(5,\)"),
    "a list too short": ([1, 0], r"partner has shape \(2,\) and dtype int64; wanted one integer index per sample"),
    "no integers": (jnp.zeros(5), r"dtype float32.*one integer index per sample"),
    "out of range": (np.array([0, 1, 2, 3, 5]), r"indices from 0 to 5; wanted indices of the batch, 0 to 4"),
}


@every_method
@pytest.mark.parametrize("mistake", BAD_PARTNERS)
def test_a_wrong_partner_says_what_came_and_what_was_wanted(method, mistake):
    if takes_partner(method):
        partner, message = BAD_PARTNERS[mistake]
        with pytest.raises(ValueError, match=message):
            method(key(), pictures(), partner=partner)


@every_method
def test_one_sample_without_a_partner_says_what_to_do(method):
    if takes_partner(method) or method.__name__ in SHARES_WITH_MANY:
        with pytest.raises(ValueError, match=r"one sample, and mixing needs a partner: pass two or more"):
            method(key(), pictures((1, 8, 8, 3)))


@every_method
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), (1.0, 2.0)])
def test_a_wrong_alpha_says_what_was_wanted(method, alpha):
    if "alpha" in parameters_of(method):
        with pytest.raises(ValueError, match=r"alpha (is (0|-1|nan).*wanted a number above 0|has shape \(2,\))"):
            method(key(), pictures(), alpha=alpha if isinstance(alpha, float) else jnp.array(alpha))


@every_method
def test_a_traced_alpha_of_0_mixes_nothing(method):
    # A share of 0 is something else for those whose masks follow their maps, and GridMixup has no holes below a pixel.
    if "alpha" in parameters_of(method) and method.__name__ not in {"gridmixup"} | GUIDED - {"saliencymix", "snapmix"}:
        images, mix = with_options(method)(key(), pictures(), alpha=0.0)
        np.testing.assert_array_equal(images, pictures())
        np.testing.assert_array_equal(mix.weight[:, 0], 1.0)


def test_hyper_parameters_out_of_range_say_what_was_wanted():
    x = pictures()
    mistakes = {
        r"area\[1\] is 1.5; wanted a number from 0 to 1": lambda: jaxmix.cutmix(key(), x, area=(0.0, 1.5)),
        r"area is \(0.5, 0.2\); wanted the lowest first": lambda: jaxmix.cutmix(key(), x, area=(0.5, 0.2)),
        r"area is 0.5; wanted two numbers": lambda: jaxmix.cutmix(key(), x, area=0.5),
        r"size is -1.*wanted a number from 0": lambda: jaxmix.cutout(key(), x, size=-1),
        r"holes is 0; wanted 1 or more": lambda: jaxmix.cutout(key(), x, holes=0),
        r"holes is 2.5; wanted a Python int": lambda: jaxmix.cutout(key(), x, holes=2.5),
        r"k is 0.0; wanted a number above 0": lambda: jaxmix.smoothmix_s(key(), x, k=0.0),
        r"sigma\[0\] is -0.1": lambda: jaxmix.smoothmix_s(key(), x, sigma=(-0.1, 1.0)),
        r"sigma\[0\] is 0.0; wanted a number from 0.01": lambda: jaxmix.smoothmix_c(key(), x, sigma=(0.0, 0.5)),
        r"scale\[0\] is 0.0; wanted a number from 0.001 to 1": lambda: jaxmix.resizemix(key(), x, scale=(0.0, 0.8)),
        r"decay is -1.0": lambda: jaxmix.fmix(key(), x, decay=-1.0),
        r"max_soft is 0.6; wanted a number from 0 to 0.5": lambda: jaxmix.fmix(key(), x, max_soft=0.6),
        r"cells is 11; wanted 1 or more, at most 10": lambda: jaxmix.gridmix(key(), x, cells=11),
        r"holes is 6; wanted 1 or more, at most 5": lambda: jaxmix.gridmixup(key(), x, holes=6),
        r"probs have shape \(2,\); wanted one number for each of 4": lambda: jaxmix.randommix(key(), x, weights=(1, 1)),
        r"keep is 1.5; wanted a number from 0 to 1": lambda: jaxmix.dropblock(key(), x, keep=1.5),
        r"block is 0; wanted 1 or more": lambda: jaxmix.dropblock(key(), x, block=0),
        r"features have dtype uint8; wanted a floating": lambda: jaxmix.dropblock(key(), x.astype(jnp.uint8)),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(ValueError, match=message):
            mistake()


@every_method
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e9, float("inf"), float("nan")])
def test_a_traced_hyper_parameter_out_of_range_is_made_safe(method, value):
    for name, (default, _) in traceable(method).items():
        images, mix = with_options(method)(key(), pictures(), **{name: jax.tree.map(lambda _: value, default)})
        assert jnp.isfinite(images).all(), name
        assert ((mix.mask >= 0) & (mix.mask <= 1)).all() and ((mix.weight >= 0) & (mix.weight <= 1)).all(), name


@pytest.mark.parametrize("shape", [(4, 1, 8, 16), (4, 3, 16, 8), (4, 3, 8, 64), (4, 1, 1, 512), (2, 3, 3, 3)], ids=str)
def test_features_of_few_rows_are_no_channels_first(shape):
    assert jaxmix.mixup(key(), jnp.zeros(shape))[0].shape == shape


def test_a_traced_partner_out_of_range_is_the_nearest_one():
    _, mix = jax.jit(lambda p: jaxmix.mixup(key(), pictures(), partner=p))(jnp.array([-3, 9, 2, 1, 0]))
    assert mix.source[:, 1].tolist() == [0, 4, 2, 1, 0]


@pytest.mark.parametrize("value", [None, "much", [1.0, 2.0]])
def test_what_is_no_number_says_so(value):
    with pytest.raises(ValueError, match=r"alpha is (None|'much'|\[1.0, 2.0\]); wanted one number"):
        jaxmix.mixup(key(), pictures(), alpha=value)


@pytest.mark.parametrize("name", ["cutmix", "resizemix", "gridmix", "gridmixup", "cutout"])
def test_pixels_of_binary_masks_are_copied_to_the_bit(name):
    x = jnp.exp(40 * (pictures() - 0.5)) * jnp.sign(pictures(seed=8) - 0.5)
    images, mix = jitted(METHODS[name])(key(), x)
    slots = [x if s == 0 else x[mix.source[:, s]] for s in range(len(mix.warps))]
    slots = [slot if warp is None else warp(slot) for slot, warp in zip(slots, mix.warps, strict=True)]
    images, covered = np.asarray(images), np.asarray(mix.mask)[..., None] == 1
    for s, slot in enumerate(slots):
        same = images.view(np.uint32) == np.asarray(slot).view(np.uint32)
        assert same[np.broadcast_to(covered[:, s], SHAPE)].all()
    assert (images[np.broadcast_to(~covered.any(1), SHAPE)] == 0).all()


def test_public_functions_lower_for_every_platform():
    b, k = 4, 5
    x = jax.ShapeDtypeStruct((b, 8, 8, 3), jnp.float32)
    typed = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    logits, labels = jax.ShapeDtypeStruct((b, k), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    _, mix = jax.eval_shape(jaxmix.resizemix, typed, x)
    mesh = jax.make_mesh((1,), ("data",))
    calls = {
        "apply": (jaxmix.apply, (mix, x)),
        "targets": (functools.partial(jaxmix.targets, num_classes=k), (mix, labels)),
        "majority": (lambda m: tuple(jaxmix.majority(m)), (mix,)),
        "evenly": (lambda m: tuple(jaxmix.evenly(m)), (mix,)),
        "pair": (lambda p, m: tuple(jaxmix.pair(p, m)), (labels, jax.ShapeDtypeStruct((b, 8, 8), jnp.float32))),
        "cross_entropy": (jaxmix.cross_entropy, (logits, labels, mix)),
        "softmax_bce": (jaxmix.softmax_bce, (logits, labels, mix)),
        "jsd": (jaxmix.jsd, (jax.ShapeDtypeStruct((3, b, k), jnp.float32),)),
        "accuracy": (jaxmix.accuracy, (logits, labels, mix)),
        "sometimes": (lambda key, x: jaxmix.sometimes(jaxmix.cutmix, 0.5)(key, x)[0], (typed, x)),
        "one_of": (lambda key, x: jaxmix.one_of([jaxmix.mixup, jaxmix.cutmix], (1, 1))(key, x)[0], (typed, x)),
        "split": (lambda key, x: jaxmix.split([0.5, 0.5], [jaxmix.mixup, jaxmix.cutmix])(key, x)[0], (typed, x)),
        "per_device": (lambda key, x: jaxmix.per_device(jaxmix.cutmix, mesh)(key, x)[0], (typed, x)),
        "adversarial": (jaxmix.adversarial, (typed, x, mix, x)),
        "dropblock": (jaxmix.dropblock, (typed, x)),
        "augmix_views": (jaxmix.augmix_views, (typed, x)),
        "shuffle": (lambda key: jaxmix.partners.shuffle(key, b), (typed,)),
        "within": (jaxmix.partners.within, (typed, labels)),
    }
    functions = {name for name in jaxmix.__all__ if inspect.isfunction(getattr(jaxmix, name))}
    assert functions <= calls.keys() | METHODS.keys()
    for function, example in calls.values():
        exported = jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*example)
        assert not HOST_CALL.search(exported.mlir_module())
