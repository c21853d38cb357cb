"""What holds for every public method: a method added later is covered by being public.

A compiled program is the unit of cost, so each proves several things. By value, a method has three: its plain call, one
with everything that may be traced, under vmap and with the gradient, and one of another shape with one draw for the
batch. What shows in types or in the lowered text is compiled nowhere. All is compiled without LLVM's optimizations;
test_eager.py compiles as users do, and has the eager calls of all methods.
"""

import functools
import inspect
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from specimens import (
    DRAWS_NOTHING,
    GUIDED,
    KEEPS_LABELS,
    LEAVES_OUT_PIXELS,
    METHODS,
    SHAPE,
    SHARES_NO_DRAW,
    SHARES_WITH_MANY,
    WORKS_ON_LEVELS,
    assert_weight_is_share,
    every_method,
    every_method_slowly,
    images,
    key,
    parameters_of,
    plain,
    plainly,
    slowly,
)

import jaxmix

pytestmark = pytest.mark.unoptimized

HOST_CALL = re.compile(r"custom_call\s*@\w*callback")
KEY = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
SEEDS = (0, 1, 2)


def takes_partner(method):
    return "partner" in parameters_of(method)


def traceable(method):
    """Hyper-parameters with floats as default, and a second value each that is allowed too."""
    found = {}
    for name, parameter in parameters_of(method).items():
        default = parameter.default
        if isinstance(default, float) or name == "size" or (method.__name__, name) == ("attentivemix", "cells"):
            found[name] = (float(default), 0.5 * float(default) if default else 0.25)
        elif isinstance(default, tuple) and default and all(isinstance(value, float) for value in default):
            found[name] = (default, tuple(0.5 * value for value in default))
    return found


TRACES = dict.fromkeys(METHODS.values(), 0)


@functools.cache
def traced(method):
    """Images, mix and gradient under three keys at once, with every hyper-parameter that may be traced: one program."""
    defaults = {name: values[0] for name, values in traceable(method).items()}

    def loss(x, key, options):
        TRACES[method] += 1
        mixed, mix = method(key, x, **options)
        return jnp.square(mixed).sum(), (mixed, mix)

    program = jax.jit(jax.vmap(jax.value_and_grad(loss, has_aux=True), in_axes=(None, 0, None)))

    def run(x, **options):
        (_, result), gradient = program(x, jax.vmap(jax.random.key)(jnp.array(SEEDS)), defaults | options)
        found = jax.device_get((*result, gradient))  # of NumPy's arrays each index isn't a program of its own
        return [jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(len(SEEDS))]

    return run


def test_the_methods_of_the_design_are_public():
    promised = "mixup cutmix cutout smoothmix_s smoothmix_c resizemix fmix gridmix randommix"
    guided = {"saliencymix", "attentivemix", "sage", "snapmix", "puzzlemix", "comixup", "guidedmix"}
    assert set(promised.split()) | guided <= METHODS.keys()
    assert guided == GUIDED


@every_method
def test_vmap_and_traced_hyper_parameters_give_what_plain_calls_give(method):
    for seed, (together, mix, _) in zip(SEEDS, traced(method)(images()), strict=True):
        x, alone = plain(method, seed)
        np.testing.assert_array_equal(mix.source, alone.source)
        if np.isin(alone.mask, (0.0, 1.0)).all():
            np.testing.assert_array_equal(mix.mask, alone.mask)
        chex.assert_trees_all_close((together, mix), (x, alone), atol=2e-6)


@every_method
def test_gradients_reach_the_images_and_are_finite(method):
    reached = []
    for _, _, gradient in traced(method)(images()):
        assert np.isfinite(gradient).all()
        reached.append(np.abs(gradient).max() > 0)
    # PixMix may draw an operation on levels for the start of every image of a batch.
    assert method.__name__ == "pixmix" or len(set(map(bool, reached))) == 1
    assert any(reached) == (method.__name__ not in WORKS_ON_LEVELS)


@every_method
def test_the_mix_has_the_documented_shapes_and_slot_0_is_the_sample(method):
    for seed in SEEDS:
        _, mix = plain(method, seed)
        b, s = mix.source.shape
        assert b == SHAPE[0] and mix.weight.shape == (b, s) and len(mix.warps) == s
        assert mix.mask.shape[:2] == (b, s) and mix.mask.ndim == 4
        assert all(SHAPE[1 + axis] % side == 0 for axis, side in enumerate(mix.mask.shape[2:]))
        np.testing.assert_array_equal(mix.source[:, 0], np.arange(b))
        assert ((mix.source >= 0) & (mix.source < b)).all()


@every_method
def test_label_weight_is_the_share_of_the_pixels(method):
    for seed in SEEDS:
        assert np.isfinite(plain(method, seed)[0]).all()
        assert_weight_is_share(method, plain(method, seed)[1])


@every_method
def test_a_constant_image_stays_constant(method):
    if method.__name__ not in LEAVES_OUT_PIXELS | KEEPS_LABELS:
        x, _, _ = traced(method)(jnp.full(SHAPE, 0.7, jnp.float32))[0]
        np.testing.assert_allclose(x, 0.7, rtol=2e-7)  # two roundings


@every_method
def test_another_shape_and_one_draw_for_the_batch(method):
    shape, options = (7, 7, 16, 2), {}
    x = images(shape)
    if "per_batch" in parameters_of(method):
        options, x = {"per_batch": True}, jnp.broadcast_to(x[:1], shape)  # the same maps for every sample
    else:
        assert method.__name__ in SHARES_WITH_MANY | KEEPS_LABELS | SHARES_NO_DRAW
    program = jax.jit(functools.partial(method, **options))
    for seed in SEEDS:
        mixed, mix = program(key(seed), x)
        assert mixed.shape == shape and np.isfinite(mixed).all() and mix.source.shape[0] == shape[0]
        assert_weight_is_share(method, mix)
        if options:
            np.testing.assert_array_equal(mix.weight, np.broadcast_to(mix.weight[:1], mix.weight.shape))
            if not mix.warps[-1]:  # places of ResizeMix's boxes are per sample all the same
                np.testing.assert_array_equal(mix.mask, np.broadcast_to(mix.mask[:1], mix.mask.shape))
            free = jax.eval_shape(method, KEY, x)[1]
            assert mix.mask.shape == free.mask.shape


# Without that option the program above is that of the method.
PER_BATCH = {name: method for name, method in METHODS.items() if "per_batch" in parameters_of(method)}


@pytest.mark.slow
@pytest.mark.parametrize("method", PER_BATCH.values(), ids=PER_BATCH.keys())
def test_label_weight_is_the_share_of_the_pixels_in_another_shape(method):
    shape = (7, 7, 16, 2)
    program = jax.jit(method)
    for seed in SEEDS:
        x, mix = program(key(seed), images(shape))
        assert x.shape == shape and np.isfinite(x).all() and mix.source.shape[0] == shape[0]
        assert_weight_is_share(method, mix)


# Half a step of each.
ERRORS = {jnp.bfloat16: 2**-8, jnp.float16: 2**-11, jnp.uint8: 0.5}


@every_method
def test_dtype_and_shape_are_kept_and_the_mix_is_float32(method):
    for dtype in (jnp.float32, *ERRORS):
        x, mix = jax.eval_shape(method, KEY, jax.ShapeDtypeStruct(SHAPE, dtype))
        assert x.dtype == dtype and x.shape == SHAPE
        assert mix.mask.dtype == mix.weight.dtype == jnp.float32 and mix.source.dtype == jnp.int32


# All that mix end with `apply`: soft masks, boxes, warps, a hole, fields, blocks that move, many slots.
@slowly(["mixup", "cutmix", "resizemix", "cutout", "fmix", "puzzlemix", "comixup"])
def test_images_of_narrow_dtypes_are_rounded_to_the_nearest(method):
    batches = [images(dtype=dtype) for dtype in ERRORS]
    with jax.debug_key_reuse(False):  # one key in one program, whose draws are compiled once
        results = jax.jit(lambda key, batches: [method(key, x) for x in batches])(key(), batches)
    for (mixed, mix), x, error in zip(results, batches, ERRORS.values(), strict=True):
        assert mixed.dtype == x.dtype
        exact = jaxmix.apply(mix, x.astype(jnp.float32))
        np.testing.assert_allclose(mixed.astype(jnp.float32), exact, rtol=0, atol=error + 1e-4 * error + 2e-6)


def alone_with_itself(method):
    """The method as it mixes a batch of one."""
    return functools.partial(method, **({"partner": jnp.zeros(1, jnp.int32)} if takes_partner(method) else {}))


@every_method
def test_a_batch_of_one_is_accepted_with_itself_as_partner(method):
    if method.__name__ not in SHARES_WITH_MANY:
        shape = (1, *SHAPE[1:])
        x, mix = jax.eval_shape(alone_with_itself(method), KEY, jax.ShapeDtypeStruct(shape, jnp.float32))
        assert x.shape == shape and mix.source.shape[0] == 1


@every_method_slowly
def test_the_smallest_batch_of_one_channel_is_finite_and_one_sample_is_its_own_partner(method):
    b = 2 if method.__name__ in SHARES_WITH_MANY else 1
    program = jax.jit(alone_with_itself(method))
    for seed in SEEDS:
        x, mix = program(key(seed), images((b, 8, 8, 1)))
        assert x.shape == (b, 8, 8, 1) and np.isfinite(x).all() and (mix.source < b).all()
        assert_weight_is_share(method, mix)


@every_method
def test_the_named_partner_is_taken(method):
    if takes_partner(method):
        partner = jnp.array([4, 3, 2, 1, 0])
        _, mix = plainly(method)(key(), images(), partner=partner)
        np.testing.assert_array_equal(mix.source[:, 1], partner)
        same, _ = plainly(method)(key(), images(), partner=np.arange(5, dtype=np.int32))
        if not any(mix.warps):
            np.testing.assert_allclose(same, images(), rtol=2e-7)


@every_method
def test_the_mix_is_of_32_bits_where_64_are_enabled(method):
    with jax.enable_x64(True):
        wide, mix = jax.eval_shape(method, KEY, jax.ShapeDtypeStruct(SHAPE, jnp.float64))
    assert wide.dtype == jnp.float64
    assert mix.mask.dtype == mix.weight.dtype == jnp.float32 and mix.source.dtype == jnp.int32


@every_method_slowly
def test_draws_are_the_same_bits_where_64_bit_floats_are_enabled(method):
    x = images()
    _, mix = plain(method)
    with jax.enable_x64(True):
        _, same = jax.jit(lambda key, x: method(key, x))(key(), x.astype(jnp.float64))
    chex.assert_trees_all_close(same, mix, atol=2e-7)


@every_method
def test_another_key_gives_another_mix(method):
    (one, _), (other, _) = plain(method, 0), plain(method, 1)
    assert np.array_equal(one, other) == (method.__name__ in DRAWS_NOTHING)


def without_maps(method):
    """The method as it is here, which makes its own maps; its signature has them."""
    return lambda key, batch: method(key, batch)


@every_method
def test_a_choice_of_the_method_or_nothing_has_its_form(method):
    x, mix = jax.eval_shape(method, KEY, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    for per_batch in (False, True):
        choice = jaxmix.sometimes(without_maps(method), 0.5, per_batch=per_batch)
        chex.assert_trees_all_equal_shapes_and_dtypes(jax.eval_shape(choice, KEY, x), (x, mix))


# The choice is the same for all; what differs is the form of a mix: soft masks, boxes, warps, none, weights by maps.
@slowly(["mixup", "cutmix", "resizemix", "cutout", "augmix", "snapmix"])
def test_probability_0_is_the_identity_and_1_mixes_every_sample(method):
    def mixed(key, x, p):  # per sample and per batch in one program, whose draws are compiled once
        keys = zip(jax.random.split(key), (False, True), strict=True)
        return [jaxmix.sometimes(without_maps(method), p, per_batch=per_batch)(k, x) for k, per_batch in keys]

    mixed = jax.jit(mixed)
    for x, mix in mixed(key(), images(), 0.0):
        np.testing.assert_array_equal(x, images())
        np.testing.assert_array_equal(jaxmix.apply(mix, images()), images())
        np.testing.assert_array_equal(mix.weight[:, 0], 1.0)
    always = method.__name__ in {"mixup", "resizemix"}  # what others draw may be nothing: CutMix an empty box
    for x, mix in mixed(key(), images(), 1.0):
        assert_weight_is_share(method, mix)
        if method.__name__ in KEEPS_LABELS:
            assert (x != images()).any()
        else:
            np.testing.assert_allclose(x, jaxmix.apply(mix, images()), atol=2e-6)
            changed = (x != images()).any((1, 2, 3))
            assert changed.all() if always else changed.any()
            if method.__name__ == "cutmix":
                np.testing.assert_array_equal(changed, mix.weight[:, 0] < 1)


@every_method
def test_a_traced_hyper_parameter_never_traces_again(method):
    parameters = traceable(method)
    traced(method)(images())
    before = TRACES[method]
    traced(method)(images(), **{name: values[1] for name, values in parameters.items()})
    assert TRACES[method] == before > 0


@every_method
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e9, float("inf"), float("nan")])
def test_a_traced_hyper_parameter_out_of_range_is_made_safe(method, value):
    for name, (default, _) in traceable(method).items():
        for x, mix, _ in traced(method)(images(), **{name: jax.tree.map(lambda _: value, default)}):
            assert np.isfinite(x).all(), name
            assert ((mix.mask >= 0) & (mix.mask <= 1)).all() and ((mix.weight >= 0) & (mix.weight <= 1)).all(), name


@every_method
def test_a_traced_alpha_of_0_mixes_nothing(method):
    # A share of 0 is something else for those whose masks follow their maps, and GridMixup has no holes below a pixel.
    if "alpha" in traceable(method) and method.__name__ not in {"gridmixup"} | GUIDED - {"saliencymix", "snapmix"}:
        for x, mix, _ in traced(method)(images(), alpha=0.0):
            np.testing.assert_array_equal(x, images())
            np.testing.assert_array_equal(mix.weight[:, 0], 1.0)


@every_method
def test_it_lowers_for_every_platform_without_a_host_callback(method):
    exported = jax.export.export(jax.jit(method), platforms=("cpu", "cuda", "tpu"))(
        KEY, jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    )
    assert not HOST_CALL.search(exported.mlir_module())


BAD_BATCHES = {
    "one image": (images((32, 32, 3)), r"rank 3 and shape \(32, 32, 3\); wanted rank 4"),
    "channels first": (images((4, 3, 32, 32)), r"channels first \(NCHW\).*transpose\(0, 2, 3, 1\)"),
    "grey channels first": (images((4, 1, 28, 28)), r"channels first \(NCHW\)"),
    "wide channels first": (images((4, 3, 32, 96)), r"channels first \(NCHW\)"),
    "two channels first": (images((4, 2, 32, 32)), r"channels first \(NCHW\)"),
    "four channels first": (images((4, 4, 32, 24)), r"channels first \(NCHW\)"),
    "integers": (jnp.zeros((4, 8, 8, 3), jnp.int32), r"dtype int32.*wanted a floating dtype or uint8"),
    "no images": (images((0, 8, 8, 3)), r"shape \(0, 8, 8, 3\); wanted at least one"),
    "a list": ([[1.0]], r"came as list; wanted an array \[b h w c\]"),
    "mapping without image": ({"images": images((4, 8, 8, 3))}, r"keys \['images'\]; wanted its images under"),
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
    "floats": (jnp.zeros(5), r"dtype float32.*one integer index per sample"),
    "out of range": (np.array([0, 1, 2, 3, 5]), r"indices from 0 to 5; wanted indices of the batch, 0 to 4"),
}


@every_method
@pytest.mark.parametrize("mistake", BAD_PARTNERS)
def test_a_wrong_partner_says_what_came_and_what_was_wanted(method, mistake):
    if takes_partner(method):
        partner, message = BAD_PARTNERS[mistake]
        with pytest.raises(ValueError, match=message):
            method(key(), images(), partner=partner)


@every_method
def test_one_sample_without_a_partner_says_what_to_do(method):
    if takes_partner(method) or method.__name__ in SHARES_WITH_MANY:
        with pytest.raises(ValueError, match=r"one sample, and mixing needs a partner: pass two or more"):
            method(key(), images((1, 8, 8, 3)))


@every_method
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), (1.0, 2.0)])
def test_a_wrong_alpha_says_what_was_wanted(method, alpha):
    if "alpha" in parameters_of(method):
        with pytest.raises(ValueError, match=r"alpha (is (0|-1|nan).*wanted a number above 0|has shape \(2,\))"):
            method(key(), images(), alpha=alpha if isinstance(alpha, float) else jnp.array(alpha))


def test_hyper_parameters_out_of_range_say_what_was_wanted():
    x = images()
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
        r"probs have shape \(2,\); wanted one value for each of 4": lambda: jaxmix.randommix(key(), x, weights=(1, 1)),
        r"keep is 1.5; wanted a number from 0 to 1": lambda: jaxmix.dropblock(key(), x, keep=1.5),
        r"block is 0; wanted 1 or more": lambda: jaxmix.dropblock(key(), x, block=0),
        r"features have dtype uint8; wanted a floating": lambda: jaxmix.dropblock(key(), x.astype(jnp.uint8)),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(ValueError, match=message):
            mistake()


@pytest.mark.parametrize(
    "shape", [(4, 1, 8, 16), (4, 3, 16, 8), (4, 3, 8, 64), (4, 1, 1, 512), (2, 3, 3, 3), (2, 4, 8, 8)], ids=str
)
def test_features_of_few_rows_are_no_channels_first(shape):
    assert jaxmix.mixup(key(), jnp.zeros(shape))[0].shape == shape


def test_a_traced_partner_out_of_range_is_the_nearest_one():
    _, mix = jax.jit(lambda p: jaxmix.mixup(key(), images(), partner=p))(jnp.array([-3, 9, 2, 1, 0]))
    assert mix.source[:, 1].tolist() == [0, 4, 2, 1, 0]


@pytest.mark.parametrize("value", [None, "much", [1.0, 2.0]])
def test_a_value_of_another_type_says_so(value):
    with pytest.raises(ValueError, match=r"alpha is (None|'much'|\[1.0, 2.0\]); wanted one number"):
        jaxmix.mixup(key(), images(), alpha=value)


@pytest.mark.parametrize("name", ["cutmix", "resizemix", "gridmix", "gridmixup", "cutout"])
def test_pixels_of_binary_masks_are_copied_to_the_bit(name):
    x = jnp.exp(40 * (images() - 0.5)) * jnp.sign(images(seed=8) - 0.5)
    mixed, mix, _ = traced(METHODS[name])(x)[0]
    slots = [x if s == 0 else x[mix.source[:, s]] for s in range(len(mix.warps))]
    slots = [slot if warp is None else warp(slot) for slot, warp in zip(slots, mix.warps, strict=True)]
    mixed, covered = np.asarray(mixed), np.asarray(mix.mask)[..., None] == 1
    for s, slot in enumerate(slots):
        same = mixed.view(np.uint32) == np.asarray(slot).view(np.uint32)
        assert same[np.broadcast_to(covered[:, s], SHAPE)].all()
    assert (mixed[np.broadcast_to(~covered.any(1), SHAPE)] == 0).all()


def test_public_functions_lower_for_every_platform():
    b, k = 4, 5
    x = jax.ShapeDtypeStruct((b, 8, 8, 3), jnp.float32)
    typed = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    logits, labels = jax.ShapeDtypeStruct((b, k), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    shares = jax.ShapeDtypeStruct((b,), jnp.float32)
    _, mix = jax.eval_shape(jaxmix.resizemix, typed, x)
    mesh = jax.make_mesh((1,), ("data",))
    calls = {
        "apply": (jaxmix.apply, (mix, x)),
        "targets": (functools.partial(jaxmix.targets, num_classes=k), (mix, labels)),
        "majority": (lambda m: tuple(jaxmix.majority(m)), (mix,)),
        "evenly": (lambda m: tuple(jaxmix.evenly(m)), (mix,)),
        "mirrored": (lambda m: tuple(jaxmix.mirrored(m)), (mix,)),
        "attend": (lambda m, a: tuple(jaxmix.attend(m, a)), (mix, jax.ShapeDtypeStruct((b, 4), jnp.float32))),
        "decoupled": (jaxmix.decoupled, (logits, labels, mix)),
        "sigmoid_bce": (jaxmix.sigmoid_bce, (logits, labels, mix)),
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
        "mixing_images": (lambda key: jaxmix.mixing_images(key, 4, 16), (typed,)),
        "shuffle": (lambda key: jaxmix.partners.shuffle(key, b), (typed,)),
        "within": (jaxmix.partners.within, (typed, labels)),
        "across": (jaxmix.partners.across, (typed, labels)),
        "cover": (jaxmix.partners.cover, (jax.ShapeDtypeStruct((b, b), jnp.float32),)),
        "near": (lambda key, y: jaxmix.partners.near(key, y, 1.0), (typed, jax.ShapeDtypeStruct((b,), jnp.float32))),
        "spectral_residual": (jaxmix.saliency.spectral_residual, (x,)),
        "token_blocks": (lambda key, s: jaxmix.masks.token_blocks(key, s, 4, 4), (typed, shares)),
        "random_tokens": (lambda key, s: jaxmix.masks.random_tokens(key, s, 4, 4), (typed, shares)),
    }
    functions = {name for name in jaxmix.__all__ if inspect.isfunction(getattr(jaxmix, name))}
    assert functions <= calls.keys() | METHODS.keys()
    for function, example in calls.values():
        exported = jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*example)
        assert not HOST_CALL.search(exported.mlir_module())
