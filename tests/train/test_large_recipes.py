"""Recipes of large and fine-grained images: every method is there, with its values; the losses; the presets."""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import finegrained
import imagenet
import initial_weights
import jaxmix
import models
import optimizer
import programs
from inputs.listing import Splits
from models import mid_level
from recipes import cifar, presets
from recipes import finegrained as fine_recipes
from recipes import imagenet as recipes
from recipes.losses import sigmoid_bce
from streaming import Data

pytestmark = pytest.mark.unoptimized

SETTING = recipes.Setting("imagenet", 32, (1.0,), True)


def keywords(recipe):
    return recipe.augmentation.method.keywords


def test_every_method_of_small_images_is_there_for_large_and_fine_grained_ones():
    small = set(cifar.table(cifar.Setting("cifar10", 32, "resnet", (1.0,), True)))
    assert small - {"mixup-alpha-0.5", "manifold-mixup-alpha-1"} <= set(recipes.names())
    assert set(recipes.names()) - {"snapmix-pretrained"} <= set(fine_recipes.names())


def test_the_values_are_those_of_the_papers():
    table = recipes.table(SETTING)
    assert keywords(table["mixup"])["alpha"] == 0.2 and keywords(table["manifold-mixup"])["alpha"] == 1.0
    for name in ("cutmix", "saliencymix", "smoothmix_c", "resizemix", "puzzlemix"):
        assert table[name].augmentation.p is None, "every batch is mixed"
    assert keywords(recipes.create("cutout", "imagenet", 224))["size"] == 112
    assert {recipe.loss for recipe in table.values()} == {"cross_entropy"}
    assert {recipe.weight_decay for recipe in table.values()} == {1e-4}
    tiny = recipes.table(SETTING._replace(dataset=recipes.TINY))
    assert keywords(tiny["cutmix"])["alpha"] == keywords(tiny["mixup"])["alpha"] == 0.2
    assert tiny["puzzlemix"].loss == "softmax_bce" and tiny["puzzlemix"].saliency_pass.keywords["parameter_gradient"]
    fine = fine_recipes.create("snapmix", 448)
    assert (keywords(fine)["alpha"], fine.augmentation.p, keywords(fine)["double_same_label"]) == (5.0, None, True)
    scratch = fine_recipes.create("snapmix", 448, scratch=True)
    assert (keywords(scratch)["alpha"], scratch.augmentation.p) == (1.0, 0.5)
    assert keywords(fine_recipes.create("cutmix", 448))["alpha"] == 3.0


CHANGED = ("mixup-or-cutmix", "cutmix-one-hot", "cutmix-scheduled", "trivialaugment+cutmix", "augmix+mixup")


@pytest.mark.parametrize("name", CHANGED)
def test_augmentations_keep_shape_and_dtype(name):
    recipe = recipes.create(name, "imagenet", 32)
    x = jax.ShapeDtypeStruct((4, 32, 32, 3), jnp.float32)
    out, mix = jax.eval_shape(recipe.augmentation, jax.random.key(0), x, jnp.float32(0.5))
    assert (out.shape, out.dtype, mix.weight.shape[0]) == (x.shape, x.dtype, 4)
    if "+" in name:
        assert jax.eval_shape(recipe.views, jax.random.key(0), x).shape[1:] == x.shape


@pytest.mark.parametrize("name", ["trivialaugment+sage", "randaugment+manifold-mixup", "autoaugment+none"])
def test_what_keeps_the_label_comes_before_methods_that_mix_images_without_maps(name):
    with pytest.raises(ValueError, match="comes before methods that mix the images and need no maps"):
        recipes.create(name, "imagenet", 32)


def test_binary_cross_entropy_counts_both_classes_of_a_mixed_image_in_full_above_the_threshold():
    logits, labels = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), np.array([0, 1, 2])
    mix = jaxmix.mixup(jax.random.key(0), jnp.zeros((3, 4, 4, 1)), partner=np.array([1, 2, 2]))[1]
    mix = mix._replace(weight=jnp.array([[0.7, 0.3], [0.9, 0.1], [0.6, 0.4]]))
    shares = np.array([[0.7, 0.3, 0, 0], [0, 0.9, 0.1, 0], [0, 0, 1, 0]])

    def expected(targets):
        sigmoid = 1 / (1 + np.exp(-np.float64(logits)))
        return -(targets * np.log(sigmoid) + (1 - targets) * np.log(1 - sigmoid)).mean(1)

    np.testing.assert_allclose(sigmoid_bce()(logits, labels, mix), expected(shares), rtol=1e-5)
    hard = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_allclose(sigmoid_bce(0.2)(logits, labels, mix), expected(hard), rtol=1e-5)
    smooth = np.eye(4)[labels] * 0.9 + 0.1 / 4
    np.testing.assert_allclose(sigmoid_bce()(logits, labels, label_smoothing=0.1), expected(smooth), rtol=1e-5)


# ---- presets

PROGRAMS = {"imagenet": imagenet, "finegrained": finegrained}
# Of each preset: epochs and the learning rates after shares of them.
RATES = {
    "torchvision-v1": (90, {0: 0.1, 0.33: 0.1, 0.34: 0.01, 0.66: 0.01, 0.67: 0.001}),
    "torchvision-v2": (600, {0: 0.005, 1 / 120: 0.5, 121 / 240: 0.25, 0.75: 0.07436, 1: 0.0}),
    "augmix-90": (90, {0: 0.1, 0.33: 0.1, 0.34: 0.01, 0.66: 0.01, 0.67: 0.001}),
    "augmix-180": (180, {0: 0.0, 1 / 36: 0.1, 0.33: 0.1, 0.34: 0.01, 0.67: 0.001}),
    "cutmix-300": (300, {0: 0.1, 0.24: 0.1, 0.26: 0.01, 0.51: 1e-3, 0.76: 1e-4}),
    "smoothmix-300": (300, {0: 0.1, 0.24: 0.1, 0.26: 0.01, 0.51: 1e-3, 0.76: 1e-4}),
    "puzzlemix-300": (300, {0: 0.1, 0.24: 0.1, 0.26: 0.01, 0.51: 1e-3, 0.76: 1e-4}),
    "openmixup-100": (100, {0: 0.1, 0.25: 0.0854, 0.5: 0.05, 0.75: 0.0146, 1: 0.0}),
    "rsb-a3": (100, {0: 0.0, 0.05: 0.008, 0.525: 0.004, 0.7625: 0.00117, 1: 0.0}),
    "vit-s16-90": (90, {0: 0.0, 8 / 90: 1e-3, 49 / 90: 5e-4, 69.5 / 90: 1.464e-4, 1: 0.0}),
    "tiny-puzzlemix": (1200, {0: 0.2, 0.49: 0.2, 0.51: 0.02, 0.74: 0.02, 0.76: 0.002}),
    "tiny-comixup": (1200, {0: 0.2, 0.49: 0.2, 0.51: 0.02, 0.74: 0.02, 0.76: 0.002}),
    "tiny-sage": (1200, {0: 0.2, 0.49: 0.2, 0.51: 0.02, 0.74: 0.02, 0.76: 0.002}),
    "snapmix": (200, {0: 1e-3, 0.39: 1e-3, 0.41: 1e-4, 0.76: 1e-5, 0.91: 1e-6}),
    "snapmix-scratch": (300, {0: 0.01, 0.49: 0.01, 0.51: 1e-3, 0.76: 1e-4, 0.91: 1e-5}),
    "wsol-cub": (50, {0: 0.01, 0.29: 0.01, 0.31: 1e-3, 0.61: 1e-4, 0.91: 1e-5}),
}


def resolved(name):
    """The configuration of a preset, for the number of images of ImageNet."""
    preset = presets.PRESETS[name]
    program = PROGRAMS[preset.program]
    images = range(1_281_167)
    config = dataclasses.replace(program.Config(), **presets.options(preset.program, name))
    return program.resolve(config, Data(Splits(images, images)))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_learning_rate_of_a_preset(name, capsys):
    epochs, expected = RATES[name]
    config, steps = resolved(name), 1000
    assert config.epochs == epochs
    rate = programs.rate(config, steps)
    found = {share: float(rate(round(share * epochs * steps))) for share in expected}
    print(f"{name}: {found}")
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=5e-3, abs=1e-9)


def counted(params, mask):
    """The values that are chosen, and those that aren't."""
    leaves = [(leaf.size, chosen) for leaf, chosen in zip(*map(jax.tree.leaves, (params, mask(params))), strict=True)]
    return tuple(sum(size for size, chosen in leaves if chosen == which) for which in (True, False))


def shapes(network):
    return nnx.state(nnx.eval_shape(lambda: network(nnx.Rngs(0))), nnx.Param)


def test_the_parameter_groups_of_the_presets(capsys):
    resnet = functools.partial(models.create, "resnet50", 1000, 3)
    # In all 25,557,032; 53,120 of normalizations and 1,000 biases of the last layer are no kernels.
    assert counted(shapes(resnet), optimizer.kernels) == (25_502_912, 54_120)
    assert [name for name in presets.PRESETS if not resolved(name).decay_norms] == ["torchvision-v2"]
    config = resolved("snapmix")
    body = finegrained.body_of(config, 200)
    params = shapes(functools.partial(mid_level.around, body, 200, jnp.float32))
    # The last layer 2048 x 200 + 200; the middle head 1024 x 1024 + 1024 and 1024 x 200 + 200.
    assert counted(params, initial_weights.fresh) == (409_800 + 1_049_600 + 205_000, 23_508_032)
    assert (config.fresh_lr, config.lr) == (0.01, 0.001)


def test_the_guide_lists_every_preset_with_its_figure():
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "guides" / "imagenet.md").read_text()
    for name, preset in presets.PRESETS.items():
        assert f"| `{name}` | {preset.program} | {preset.figure} |" in guide


def test_an_unknown_preset_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match="no 'v3' for train/imagenet.py. There are: torchvision-v1, torchvision-v2"):
        presets.options("imagenet", "v3")
