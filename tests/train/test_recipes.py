"""Recipes: every method trains what its paper says, where its paper says."""

import types
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cifar
import finegrained
import imagenet
import jaxmix
from jaxmix.mix_structures import identity
from recipes import cifar as recipes
from recipes import saliency_passes
from recipes.applied import mixing
from recipes.core import Mixing

pytestmark = pytest.mark.unoptimized

METHODS = tuple(recipes.table(recipes.Setting("cifar10", 32, "resnet", (1.0,), True)))
MIXING = tuple(name for name in METHODS if recipes.create(name, "cifar10", 32, "resnet-20").augmentation is not None)


GUIDED = tuple(name for name in METHODS if recipes.create(name, "cifar10", 32, "resnet-20").saliency_pass is not None)


def images(side=16, count=8):
    return jax.random.normal(jax.random.key(9), (count, side, side, 3))


def maps_for(recipe, count, side):
    """Maps such as the recipe's saliency pass would find."""
    if recipe.saliency_pass is None:
        return ()
    maps = jax.random.uniform(jax.random.key(5), (count, side, side))
    return (maps, jnp.arange(count) % 3) if recipe.saliency_pass is saliency_passes.class_activation else (maps,)


def mixes(name, progress=1.0, count=40, side=16):
    """The mixes that a recipe draws, stacked along a leading axis."""
    recipe = recipes.create(name, "cifar10", side, "resnet-20")
    maps = maps_for(recipe, 8, side)
    keys = jax.random.split(jax.random.key(0), count)
    return jax.jit(lambda keys: jax.lax.map(lambda k: recipe.augmentation(k, images(side), progress, *maps)[1], keys))(
        keys
    )


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("side", [8, 32])
def test_every_augmentation_keeps_shape_and_dtype(name, side):
    recipe = recipes.create(name, "digits" if side == 8 else "cifar100", side, "resnet-20")
    x = jax.ShapeDtypeStruct((4, side, side, 1), jnp.float32)
    out, mix = jax.eval_shape(recipe.augmentation, jax.random.key(0), x, jnp.float32(0.5), *maps_for(recipe, 4, side))
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    assert mix.weight.shape[0] == 4


# What is guided by each image's own map differs from image to image.
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MIXING) - {"cutout", "cutout-half", *GUIDED}))
def test_a_draw_is_shared_by_the_batch(name):
    weight = np.asarray(mixes(name, count=10).weight)
    np.testing.assert_array_equal(weight, np.broadcast_to(weight[:, :1], weight.shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cutmix", "smoothmix_c", "cutmix-fixed-size"])
def test_half_of_the_batches_are_mixed(name):
    mixed = (np.asarray(mixes(name, count=200).mask)[:, 0, 1] > 0).any((1, 2)).sum()
    # 200 fair draws: 100, spread 7. A CutMix box can come out empty, so a few less are mixed.
    assert 65 < mixed < 130


@pytest.mark.slow
def test_scheduled_cutmix_goes_from_never_to_always():
    assert (np.asarray(mixes("cutmix-scheduled", 0.0).weight)[:, :, 0] == 1).all()
    assert (np.asarray(mixes("cutmix-scheduled", 1.0).weight)[:, 0, 0] < 1).mean() > 0.7


def test_half_of_the_batches_are_mixed_and_complete_labels_change_the_label_alone():
    complete = mixes("cutmix-complete-label", count=200)
    mixed = (np.asarray(complete.mask)[:, 0, 1] > 0).any((1, 2))
    weight = np.asarray(complete.weight)[:, 0, 0]
    assert (weight[mixed] == 0.5).all()
    assert set(weight) <= {0.5, 1.0}
    # 200 fair draws: 100, spread 7. A CutMix box can come out empty, so a few less are mixed.
    assert 65 < mixed.sum() < 130


@pytest.mark.slow
def test_one_hot_labels_are_0_or_1():
    assert set(np.unique(mixes("cutmix-one-hot").weight)) <= {0.0, 1.0}


# What each recipe passes to the library: the probability of mixing a batch, and the method's hyper-parameters. A draw
# is shared by the batch except where it is guided by each image's own map, and for Cutout.
ONE = {"per_batch": True}
PASSED = {
    "mixup": (None, "mixup", {"alpha": 1.0} | ONE),
    "cutmix": (0.5, "cutmix", ONE),
    "cutmix-center-gaussian": (0.5, "cutmix", {"center": jaxmix.masks.gaussian_center} | ONE),
    "cutmix-fixed-size": (0.5, "cutmix", {"area": (0.25, 0.25)} | ONE),
    "cutmix-one-hot": (0.5, "cutmix", ONE),
    "cutmix-complete-label": (0.5, "cutmix", ONE),
    "cutmix-scheduled": (0.25, "cutmix", ONE),
    "cutmix-real-box": (
        None,
        "cutmix",
        {"center": jaxmix.masks.real_center, "box": jaxmix.masks.real_box} | ONE,
    ),
    "cutout": (None, "cutout", {"size": 16}),
    "cutout-half": (None, "cutout", {"size": 16}),
    "mixup-alpha-0.5": (None, "mixup", {"alpha": 0.5} | ONE),
    "manifold-mixup-alpha-1": (None, "mixup", {"alpha": 1.0} | ONE),
    "smoothmix_s": (0.5, "smoothmix_s", {"sigma": (0.0, 1.0), "k": 0.2} | ONE),
    "smoothmix_c": (0.5, "smoothmix_c", {"sigma": (0.25, 0.5)} | ONE),
    "resizemix": (None, "resizemix", {"scale": (0.1, 0.8)} | ONE),
    "fmix": (None, "fmix", {"alpha": 1.0} | ONE),
    "gridmix": (None, "gridmix", {"cells": 4, "alpha": 1.0} | ONE),
    "gridmixup": (None, "gridmixup", {"holes": 4} | ONE),
    "randommix": (None, "randommix", {"weights": (1.0, 1.0, 1.0, 1.0)} | ONE),
    "manifold-mixup": (None, "mixup", {"alpha": 2.0} | ONE),
    "feature-cutmix": (None, "cutmix", {"alpha": 1.0} | ONE),
    "saliencymix": (0.5, "saliencymix", {}),
    "saliencymix-one-box": (0.5, "saliencymix", ONE),
    "attentivemix": (None, "attentivemix", {}),
    "sage": (None, "sage", {"alpha": 1.0, "upper": 0.6} | ONE),
    "sage-sampled": (None, "sage", {"alpha": 1.0, "upper": 0.6, "search": "1 %"} | ONE),
    "sage-unshifted": (None, "sage", {"alpha": 1.0, "upper": 0.6, "search": recipes.unshifted} | ONE),
    "snapmix": (0.5, "snapmix", {"alpha": 1.0} | ONE),
    "puzzlemix": (None, "puzzlemix", {"blocks": (2, 4, 8, 16), "transport_side": 4, "std": (1.0,)} | ONE),
    "guidedmix": (0.5, "guidedmix", {}),
    "guidedmix-gradient": (0.8, "guidedmix", {}),
    "comixup": (None, "comixup", {}),
}


def test_the_hyper_parameters_of_every_method_are_the_papers(monkeypatch):
    calls = []

    def noting(name):
        def method(key, images, *maps, **options):
            if isinstance(options.get("search"), partial):
                options["search"](None, None, None)
                options["search"] = "1 %"
            calls.append((name, options))
            return images, identity(8)

        return method

    def sometimes(method, p, **options):
        assert options == ONE

        def maybe(key, images, *maps):
            calls.append(p)
            return method(key, images, *maps)

        return maybe

    def one_percent(key, own, other, *, share):
        assert share == 0.01

    monkeypatch.setattr(jaxmix.shifts, "sampled", one_percent)
    for name in {passed[1] for passed in PASSED.values()}:
        monkeypatch.setattr(jaxmix, name, noting(name))
    monkeypatch.setattr(jaxmix, "sometimes", sometimes)
    found = {}
    for name in MIXING:
        recipe = recipes.create(name, "cifar10", 32, "resnet-20")
        before = len(calls)
        recipe.augmentation(None, jnp.ones((8, 32, 32, 3)), 0.25, *maps_for(recipe, 8, 32))
        found[name] = calls[before:]
    expected = {name: [p, (method, options)] for name, (p, method, options) in PASSED.items()}
    assert found == {name: call if call[0] is not None else call[1:] for name, call in expected.items()}


def test_sage_without_its_search_moves_no_partner():
    recipe = recipes.create("sage-unshifted", "cifar10", 16, "resnet-20")
    maps = maps_for(recipe, 8, 16)
    _, mix = jax.eval_shape(recipe.augmentation, jax.random.key(0), images(), 1.0, *maps)
    shift = recipe.augmentation.method.keywords["search"](None, *maps, *maps)
    assert shift.shape == (8, 2) and not shift.any() and mix.warps[1].rows.shape == (8, 16)


def test_the_hole_of_cutout_is_the_papers():
    for dataset, side in (("cifar10", 16), ("cifar100", 8)):
        recipe = recipes.create("cutout", dataset, 32, "resnet-20")
        mixed, mix = recipe.augmentation(jax.random.key(0), jnp.ones((64, 32, 32, 3)), 0.0)
        assert np.asarray(mixed == 0).all(-1).sum((1, 2)).max() == side**2
        assert (mix.weight == 1).all()


def test_the_hole_may_be_of_half_the_side_and_come_before_a_method_that_mixes():
    for method, inside in (("cutout-half+mixup", "mixup"), ("cutout-half+manifold-mixup", "manifold-mixup")):
        both, alone = (recipes.create(name, "cifar100", 32, "resnet-20") for name in (method, inside))
        assert both._replace(first=None)[1:] == alone[1:] and both.augmentation.method.func is jaxmix.mixup
        holed, mix = both.first(jax.random.key(0), jnp.ones((64, 32, 32, 3)), 0.0)
        assert np.asarray(holed == 0).all(-1).sum((1, 2)).max() == 16**2 and (mix.weight == 1).all()
    with pytest.raises(ValueError, match=r"cutout or cutout-half, then \+METHOD, one that mixes without maps"):
        recipes.create("cutout+sage", "cifar100", 32, "resnet-20")


def test_losses_and_mixing_points_are_the_papers():
    found = {
        name: (
            recipes.create(name, "cifar10", 32, "resnet-20").loss,
            recipes.create(name, "cifar10", 32, "resnet-20").points,
        )
        for name in METHODS
    }
    assert found.pop("sage-unshifted") == found["sage"]
    for name in ("manifold-mixup", "manifold-mixup-alpha-1"):
        assert found.pop(name) == ("softmax_bce", (0, 2, 3))
    assert found.pop("feature-cutmix") == ("cross_entropy", (0, 1, 2, 3))
    for name in ("sage", "sage-sampled", "puzzlemix", "comixup", "guidedmix", "guidedmix-gradient"):
        assert found.pop(name) == ("softmax_bce", (0,))
    assert set(found.values()) == {("cross_entropy", (0,))}


def test_weight_decay_is_the_papers():
    found = {name: recipes.create(name, "cifar10", 32, "resnet-20").weight_decay for name in METHODS}
    heavy = {"none", "cutout", "resizemix", "fmix", "gridmix", "gridmixup", "randommix", "saliencymix", "attentivemix"}
    heavy |= {"cutout-half", "saliencymix-one-box", "autoaugment", "randaugment", "trivialaugment", "augmix"}
    heavy |= {"pixmix", "pixmix-nine", "pixmix-noise", "patch-gaussian", "patch-uniform", "random-autoaugment"}
    assert found == {name: 5e-4 if name in heavy else 1e-4 for name in METHODS}


@pytest.mark.parametrize(("model", "weights"), [("wrn-28-10", (3, 1, 1, 1)), ("preact-resnet-18", (1, 1, 1, 1))])
def test_randommix_draws_mixup_three_times_as_often_for_a_wide_resnet(model, weights, monkeypatch):
    found = []
    monkeypatch.setattr(jaxmix, "randommix", lambda key, images, **options: found.append(options["weights"]))
    recipes.create("randommix", "cifar10", 32, model).augmentation(jax.random.key(0), images(), 0.0)
    assert found == [weights]


def test_gridmix_has_no_more_cells_than_pixels():
    recipe = recipes.create("gridmix", "npz", 3, "resnet-8")
    out, mix = recipe.augmentation(jax.random.key(0), images(3), 0.0)
    assert out.shape == (8, 3, 3, 3)


@pytest.mark.parametrize("name", ["manifold-mixup", pytest.param("feature-cutmix", marks=pytest.mark.slow)])
def test_hidden_mixing_happens_at_one_of_its_points_and_gives_that_mix_to_the_label(name):
    recipe = recipes.create(name, "cifar10", 16, "resnet-20")
    sides = (16, 16, 16, 8, 4)
    features = [images(side) for side in sides]

    @jax.jit
    def forward(key):
        mixing = Mixing(recipe, key, 0.5, len(sides))
        return [mixing(point, x) for point, x in enumerate(features)], mixing.mix, mixing.chosen

    seen = set()
    for key in jax.random.split(jax.random.key(3), 30):
        out, mix, chosen = forward(key)
        changed = {point for point, (a, b) in enumerate(zip(out, features, strict=True)) if (a != b).any()}
        assert changed <= {int(chosen)}
        if not changed:  # an empty box
            assert (mix.weight[:, 0] == 1).all()
            continue
        seen |= changed
        x, point = features[int(chosen)], int(chosen)
        share = np.asarray(mix.weight)[:, 1]
        partner = x[mix.source[:, 1]]
        if name == "manifold-mixup":
            expected = (1 - share)[:, None, None, None] * x + share[:, None, None, None] * partner
            np.testing.assert_allclose(out[point], expected, atol=1e-6)
        else:
            pasted = np.asarray(out[point] == partner).all(-1).mean((1, 2))
            np.testing.assert_allclose(pasted, share, atol=1e-6)
    assert seen == set(recipe.points)


def test_manifold_mixup_at_the_input_alone_is_mixup():
    recipe = recipes.create("manifold-mixup", "cifar10", 16, "resnet-20")._replace(points=(0,))
    mixing = Mixing(recipe, jax.random.key(0), 0.0, 5)
    out = mixing(0, images())
    np.testing.assert_array_equal(out, jaxmix.apply(mixing.mix, images()))
    assert mixing.mix.weight[0, 1] > 0


def test_dropblock_starts_at_nothing_and_drops_a_tenth_after_the_last_stage_in_the_end():
    recipe = recipes.create("dropblock", "cifar10", 32, "resnet-20")
    ones = jnp.ones((64, 16, 16, 32))

    def dropped(point, progress):
        return np.asarray(Mixing(recipe, jax.random.key(0), progress, 5)(point, ones) == 0).mean()

    assert dropped(4, 0.0) == 0
    # Blocks overlap, so a little less than 1 - keep.
    assert 0.07 < dropped(4, 1.0) < 0.105
    assert 0.015 < dropped(3, 1.0) < 0.027
    assert 0.03 < dropped(4, 0.5) < 0.055
    assert dropped(2, 1.0) == dropped(1, 1.0) == dropped(0, 1.0) == 0


@pytest.mark.parametrize(("name", "hint"), [("cutmixx", "'cutmix'"), ("manifold_mixup", "'manifold-mixup'")])
def test_an_unknown_method_is_answered_with_the_closest_and_the_list(name, hint):
    with pytest.raises(ValueError, match=f"Did you mean {hint}.*There are: none, mixup, cutmix"):
        recipes.create(name, "cifar10", 32, "resnet-20")


@pytest.mark.parametrize("share", [0.0, 0.25, None])
def test_the_share_of_mixed_batches_is_the_one_that_was_asked_for(share):
    paper = recipes.create("resizemix", "cifar10", 32, "wrn-10-2")
    assert mixing(paper, share, "resizemix").augmentation.p == share
    for method in ("none", "augmix", "dropblock"):
        recipe = recipes.create(method, "cifar10", 32, "wrn-10-2")
        assert mixing(recipe, None, method) is recipe
        with pytest.raises(ValueError, match=f"--mix-share is 0.5, but {method} mixes no batches"):
            mixing(recipe, 0.5, method)
    std = (0.25,) * 3
    outline = types.SimpleNamespace(train_images=np.zeros((1, 32, 32, 3)), std=std)
    chosen = {"method": "cutmix", "mix_share": share}
    made = [
        cifar.recipe_of(cifar.Config(dataset="cifar10", **chosen), outline),
        imagenet.recipe_of(imagenet.Config(**chosen)),
        finegrained.recipe_of(finegrained.Config(**chosen)),
    ]
    assert share is None or [recipe.augmentation.p for recipe in made] == [share] * 3
