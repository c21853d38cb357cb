"""A wrong call says what came, what was wanted and what to do, in the library's words."""

import collections
import datetime
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from specimens import METHODS, every_method, images, key

import jaxmix
from jaxmix import arguments
from jaxmix.robustness import attacks, corruptions

pytestmark = pytest.mark.unoptimized

X = images()
MAPS = X.mean(3)

KEYS = {
    "an int": (lambda x: 0, "0 for a key; wanted a PRNG key, jax.random.key"),
    "None": (lambda x: None, "None for a key"),
    "several": (lambda x: jax.random.split(key(), 5), "5 keys; wanted one: jax.vmap maps a method over several keys"),
    "several of the legacy form": (lambda x: jnp.zeros((5, 2), jnp.uint32), "5 keys; wanted one"),
    "images": (lambda x: x, "an array of shape .* for a key; .* the key stands before the batch"),
    "a word": (lambda x: "seed", "str for a key"),
}


@every_method
@pytest.mark.parametrize("mistake", KEYS)
def test_a_wrong_key_says_so(method, mistake):
    make, message = KEYS[mistake]
    with pytest.raises(ValueError, match=f"{method.__name__} got {message}"):
        method(make(X), X)


def test_a_wrong_key_of_other_functions_says_so():
    calls = {
        "sometimes": lambda k: jaxmix.sometimes(jaxmix.mixup, 0.5)(k, X),
        "one_of": lambda k: jaxmix.one_of([jaxmix.mixup], [1])(k, X),
        "split": lambda k: jaxmix.split([1], [jaxmix.mixup])(k, X),
        "augmix_views": lambda k: jaxmix.augmix_views(k, X),
        "dropblock": lambda k: jaxmix.dropblock(k, X),
        "corrupt": lambda k: corruptions.corrupt(k, X, "fog", 1),
        "pgd": lambda k: attacks.pgd(k, lambda x: x.sum((1, 2, 3)), X, 0.1, step=0.1, steps=1),
    }
    for name, call in calls.items():
        for wrong in (0, None, X, jax.random.split(key(), 3)):
            with pytest.raises(ValueError, match=f"{name} got .*wanted"):
                call(wrong)


class Foreign:
    """An array of another library."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros((4, 8, 8, 3), np.float32)


Pair = collections.namedtuple("Pair", "image label")
BATCHES = {
    "images and labels": (
        (X, jnp.arange(5)),
        "images came as tuple; .*mix the labels afterwards: jaxmix.cross_entropy",
    ),
    "a mix": (
        jaxmix.Mix(*map(np.zeros, [(5, 2)] * 3), (None, None)),
        "images came as Mix; .*the mix is what a method returns",
    ),
    "a list": ([[1.0]], r"images came as list; wanted an array \[b h w c\]: call jnp.asarray first"),
    "another library's": (Foreign(), r"images came as test_arguments.Foreign; .*call np.asarray first"),
    "a word": ("abc", "images came as str"),
    "a key": (jax.random.key(1), "images came as a PRNG key; .*the key stands first, then the batch"),
    "objects": (np.full((4, 8, 8, 3), None), "images have dtype object; wanted a floating dtype or uint8"),
    "words": (np.full((4, 8, 8, 3), "a"), "images have dtype <U1"),
    "dates": (np.full((4, 8, 8, 3), datetime.date(2020, 1, 1), "datetime64[D]"), r"images have dtype datetime64\[D\]"),
    "complex numbers": (np.ones((4, 8, 8, 3), complex), "images have dtype complex128"),
    "mixed names": ({1: X, "label": 2}, r"keys \[1, 'label'\]; wanted its images under \"image\""),
    "a video": (jnp.zeros((4, 2, 8, 8, 3)), r"rank 5 .*axes=\(2, 3\)\) for videos \[b t h w c\]"),
    "signals": (jnp.zeros((4, 8, 3)), r"rank 3 .*signals \[b t c\] as x\[:, :, None\].*row_band"),
    "vectors": (jnp.zeros((4, 8)), r"rank 2 .*vectors \[b c\] as x\[:, None, None\] with jaxmix.mixup"),
}


@pytest.mark.parametrize("mistake", BATCHES)
def test_a_wrong_batch_says_what_to_do(mistake):
    batch, message = BATCHES[mistake]
    for name in ("mixup", "cutmix", "augmix", "comixup", "dropblock"):
        rest = (MAPS,) if name == "comixup" else ()
        with pytest.raises(ValueError, match=message):
            getattr(jaxmix, name)(key(), batch, *rest)


def test_an_array_of_the_other_byte_order_is_that_array():
    x = np.asarray(X)
    other = x.astype(x.dtype.newbyteorder())
    np.testing.assert_array_equal(jaxmix.mixup(key(), other)[0], jaxmix.mixup(key(), X)[0])
    maps = np.asarray(MAPS)
    np.testing.assert_array_equal(arguments.maps("cam", maps.astype(maps.dtype.newbyteorder()), X), maps)


def test_labels_behind_the_batch_say_where_they_belong():
    for name in METHODS:
        function = getattr(jaxmix, name)
        with pytest.raises(
            ValueError, match=rf"{name} got 6 arguments; wanted {name}\(key, batch.*labels come afterwards"
        ):
            function(key(), X, MAPS, MAPS, MAPS, MAPS)
    with pytest.raises(ValueError, match=re.escape("mixup got 3 arguments; wanted mixup(key, batch)")):
        jaxmix.mixup(key(), X, jnp.arange(5))


@pytest.mark.parametrize("maps", ["abc", None, [[1.0]], (MAPS, MAPS)], ids=["a word", "None", "a list", "two"])
@pytest.mark.parametrize("name", ["attentivemix", "saliencymix", "sage", "snapmix", "puzzlemix", "comixup"])
def test_maps_that_are_none_say_so(name, maps):
    with pytest.raises(ValueError, match="(saliency|attention|cam) came as (str|NoneType|list|tuple); wanted an array"):
        getattr(jaxmix, name)(key(), X, maps)


def test_a_traced_switch_says_that_it_is_static():
    with pytest.raises(ValueError, match="per_batch is traced, but it is static; .*functools.partial"):
        jax.jit(jaxmix.cutmix)(key(), X, per_batch=True)


def test_counts_and_values_of_no_sense_say_so():
    with pytest.raises(ValueError, match="number is 1099511627776; wanted a whole number of 32 bits"):
        jaxmix.randaugment(key(), X, number=2**40)
    with pytest.raises(ValueError, match=r"alpha is [\s\S]*; wanted one number"):
        jaxmix.mixup(key(), X, alpha=jax.random.key(1))
    with pytest.raises(ValueError, match=r"name is [\s\S]*; wanted one of"):
        corruptions.corrupt(key(), X, np.zeros(3), 1)
    with pytest.raises(ValueError, match=r"constants are [\s\S]*; wanted .cifar. or .imagenet."):
        corruptions.corrupt(key(), X, "fog", 1, constants=np.zeros(3))


@pytest.mark.parametrize("value", [None, 1, "yes", np.zeros((2, 2), int)], ids=str)
def test_what_is_no_switch_says_so(value):
    with pytest.raises(ValueError, match=r"per_batch is [\s\S]*; wanted True or False"):
        jaxmix.cutmix(key(), X, per_batch=value)


NO_METHODS = {
    "None": None,
    "an int": 3,
    "a set": {jaxmix.mixup},
    "a generator": (method for method in [jaxmix.mixup]),
    "names": ["mixup"],
    "an empty list": [],
}


@pytest.mark.parametrize("methods", NO_METHODS.values(), ids=NO_METHODS)
def test_what_is_no_list_of_methods_says_so(methods):
    for combine in (lambda: jaxmix.one_of(methods, [1]), lambda: jaxmix.split([1.0], methods)):
        with pytest.raises(ValueError, match="methods are .*; wanted a list of one or more methods"):
            combine()


@pytest.mark.parametrize("shares", [None, "half", {"a": 1}, [[0.5], 0.5]], ids=str)
def test_what_is_no_list_of_shares_says_so(shares):
    with pytest.raises(ValueError, match="shares are .*; wanted a"):
        jaxmix.split(shares, [jaxmix.mixup, jaxmix.cutmix])


def test_a_part_of_one_sample_says_so():
    with pytest.raises(ValueError, match=r"leaves one of 5 samples to cutmix, without a partner; wanted parts of 2"):
        jaxmix.split([0.8, 0.2], [jaxmix.mixup, jaxmix.cutmix])(key(), X)


def test_methods_that_take_no_maps_are_called_without_them():
    choices = (
        jaxmix.one_of([jaxmix.snapmix, jaxmix.cutmix, functools.partial(jaxmix.mixup, alpha=0.5)], [1, 1, 1]),
        jaxmix.split([0.4, 0.6], [jaxmix.cutmix, jaxmix.saliencymix]),
        jaxmix.sometimes(jaxmix.cutmix, 0.5),
        jaxmix.one_of([jaxmix.sometimes(jaxmix.cutmix, 0.5), jaxmix.snapmix], [1, 1]),
    )
    for choice in choices:
        mixed, _ = jax.eval_shape(choice, key(), X, MAPS)
        assert mixed.shape == X.shape
    with pytest.raises(ValueError, match=r"snapmix takes cam, labels .* but 0 maps were given; .*bind others, lambda"):
        jaxmix.one_of([jaxmix.snapmix, jaxmix.cutmix], [1, 1])(key(), X)
    with pytest.raises(ValueError, match=r"sage takes saliency after the batch, but 2 maps were given"):
        jaxmix.one_of([jaxmix.snapmix, jaxmix.sage], [1, 1])(key(), X, MAPS, jnp.arange(5))


def test_masks_of_bool_in_a_choice_have_the_form_of_the_others():
    def half(key, batch):
        mask = jnp.zeros(batch.shape[:3], bool).at[:, :5].set(True)
        mix = jaxmix.pair(jaxmix.partners.following(len(batch)), mask)
        return jaxmix.apply(mix, batch), mix

    mixed, mix = jax.jit(jaxmix.one_of([half, jaxmix.cutmix], [1, 1]))(key(), X)
    assert mix.mask.dtype == jnp.float32 and mixed.shape == X.shape


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: jaxmix.masks.window(None, np.zeros(2, int), 4),
            "start have dtype object .* wanted integers or floats",
        ),
        (lambda: jaxmix.masks.window(np.zeros(2), np.zeros(2, int), 4), r"start has shape .* wanted integers \[d\]"),
        (lambda: jaxmix.masks.window(np.zeros(2, int), np.zeros(3, int), 4), r"end has .* integers \[d\] with d = 2"),
        (lambda: jaxmix.masks.window(np.zeros(2, int), np.full(2, 2**40), 4), "end has values .* integers of 32 bits"),
        (lambda: jaxmix.masks.bump(np.zeros(0), np.zeros(0), 4), r"middle has shape \(0,\) .* wanted floats \[d\]"),
        (lambda: jaxmix.masks.row_band(np.ones(1), np.ones(1), 4, 4), "center came as an array .* a tuple of 2 arrays"),
        (lambda: jaxmix.masks.uniform_center(3, 1, 4, 4), "uniform_center got 3 for a key; wanted a PRNG key"),
        (lambda: jaxmix.masks.uniform_center(key(), 0, 4, 4), "draws is 0; wanted 1 or more"),
        (lambda: jaxmix.sampling.dirichlet(key(), 1.0, 2, 2.5), "n is 2.5; wanted a Python int"),
        (lambda: jaxmix.partners.following("4"), "size is '4'; wanted a Python int"),
        (lambda: jaxmix.cutmix(key(), X, box=3), "box came as int; wanted a function, such as even_box"),
        (
            lambda: jaxmix.mixup(key(), np.full((2, 4, 4, 1), 1e39)),
            "values up to 1e[+]39; wanted values of at most 3.40282e",
        ),
        (lambda: jaxmix.pair(np.array([1, 0]), np.ones((2, 2, 2)), covered=np.ones(3)), "covered has shape .3,."),
        (lambda: jaxmix.pair(np.array([1, 0]), np.ones((2, 2, 2)), warp="no"), "warp came as str; wanted a Warp"),
    ],
)
def test_building_blocks_say_what_their_annotations_ask_for(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 5, 6])
def test_images_of_another_rank_are_told_what_to_do(rank):
    with pytest.raises(ValueError, match=r"wanted rank 4, \[b h w c\]: (add|mix|make) "):
        arguments.images(np.zeros((2,) * rank, np.float32))
