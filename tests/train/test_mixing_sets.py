"""PixMix in the trainer: the papers' values, and a mixing set that is made once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmix
from jaxmix.methods.augmix import NINE
from jaxmix.methods.pixmix import noise
from jaxmix.methods.pixmix.mixing_set import KINDS
from jaxmix.mix_structures import identity
from recipes import cifar, imagenet, mixing_sets

pytestmark = pytest.mark.unoptimized


@pytest.fixture
def passed(monkeypatch):
    """What a recipe passes to the library, for a side of images: the mixing set, and the options of PixMix."""
    found = []

    def images(number, side, kinds):
        found.append((number, side, kinds))
        return np.zeros((1, side, side, 3), np.uint8)

    def pixmix(key, pixels, mixing_set, **options):
        found.append((mixing_set.shape[3], options))
        return pixels, identity(len(pixels))

    monkeypatch.setattr(mixing_sets, "images", images)
    monkeypatch.setattr(jaxmix, "pixmix", pixmix)

    def run(recipe, side, channels=3):
        found.clear()
        assert recipe.views(None, jnp.zeros((2, side, side, channels))).shape == (1, 2, side, side, channels)
        return found

    return run


def test_the_values_of_small_images_are_the_papers(passed):
    sets = {"pixmix": (KINDS, {}), "pixmix-nine": (KINDS, {"operations": NINE}), "pixmix-noise": ((noise,), {})}
    for name, (kinds, options) in sets.items():
        recipe = cifar.create(name, "cifar10", 32, "resnet-20")
        assert passed(recipe, 32) == [(2000, 36, kinds), (3, options)]
        assert (recipe.padding, recipe.weight_decay, recipe.epochs) == (4, 5e-4, 100)
        assert recipe.loss == "cross_entropy" and recipe.consistency == 0
    assert passed(cifar.create("pixmix", "digits", 8, "resnet-8"), 8, 1)[0][1] == 9
    assert passed(cifar.create("pixmix", "digits", 8, "resnet-8"), 8, 1)[1][0] == 1
    mixed = cifar.create("pixmix+cutmix", "cifar10", 32, "resnet-20")
    assert mixed.augmentation.method.func is jaxmix.cutmix and passed(mixed, 32)[0] == (2000, 36, KINDS)


def test_the_values_of_large_images_are_the_papers_and_the_set_is_bounded(passed):
    recipe = imagenet.create("pixmix", "imagenet", 224)
    assert passed(recipe, 224) == [(512, 256, KINDS), (3, {"beta": 4.0, "severity": 1.0})]
    assert passed(recipe, 448)[0] == (170, 512, KINDS)


def test_the_set_is_made_once_while_a_step_is_traced_and_is_the_same_again(monkeypatch):
    calls = []

    def kind(key, n, side):
        calls.append(side)
        return jax.random.bits(key, (n, side, side, 3), jnp.uint8)

    @jax.jit
    def step(x):
        return x + jnp.asarray(mixing_sets.images(3, 8, (kind,)))[0, 0, 0, 0].astype(jnp.float32)

    zero = jnp.float32(0)
    with jax.transfer_guard("disallow"):  # as in the loop, where a resumed run traces its step first
        value = step(zero)
    assert calls == [8]
    made = mixing_sets.images(3, 8, (kind,))
    assert calls == [8] and isinstance(made, np.ndarray) and int(value) == int(made[0, 0, 0, 0])
    mixing_sets.images.cache_clear()
    np.testing.assert_array_equal(mixing_sets.images(3, 8, (kind,)), made)
