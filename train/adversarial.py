"""Adversarial training: every step attacks its images by PGD before it takes them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from inputs.preprocess import Preparation
from jaxmix.robustness import attacks
from recipes.core import Recipe

__all__ = ["AdversarialOptions", "Attack", "attacked", "create"]


@dataclass(frozen=True)
class AdversarialOptions:
    """Options of adversarial training."""

    adversarial: bool = False
    """Train on adversarial images: PGD raises the loss of each batch, as it is mixed, before the step lowers it. Images
    stay within --attack-epsilon of themselves and within 0..255. A step takes up to 11 times as long."""
    attack_epsilon: float = 8.0
    """With --adversarial: how far the attack may move a value, in levels of 255."""
    attack_steps: int = 10
    """With --adversarial: steps of the attack, from a random start."""
    attack_step: float = 2.0
    """With --adversarial: how far one step moves a value, in levels of 255."""


class Attack(NamedTuple):
    """PGD in the maximum norm, in pixels of 0..1, from a uniformly random start; the last point counts."""

    epsilon: float
    step: float
    steps: int


def create(options: AdversarialOptions, recipe: Recipe) -> Attack | None:
    """The attack that the options describe; None for an ordinary training.

    Raises ValueError for options of an attack without one, and for a method that can't be attacked: one that mixes
    hidden features, whose input isn't what is mixed, or trains on several views of each image.
    """
    if not options.adversarial:
        for field in fields(AdversarialOptions):
            if (value := getattr(options, field.name)) != field.default:
                raise ValueError(f"--{field.name.replace('_', '-')} is {value}; wanted --adversarial with it.")
        return None
    if recipe.augmentation is not None and recipe.points != (0,):
        raise ValueError(
            "--adversarial attacks images, and --method mixes hidden features; wanted one that mixes images."
        )
    if recipe.consistency > 0:
        raise ValueError(
            "--adversarial attacks one view of each image, and --method trains on several; wanted another or --jsd off."
        )
    return Attack(options.attack_epsilon / 255, options.attack_step / 255, options.attack_steps)


def attacked(
    attack: Attack,
    preprocess: Preparation,
    loss: Callable[[Array], Float[Array, "b"]],
    images: Float[Array, "b h w c"],
    key: Array,
) -> Float[Array, "b h w c"]:
    """Attack normalized images to raise `loss`, which takes normalized images; within epsilon of the pixels."""
    pixels = preprocess.pixels(images)
    start = pixels + attack.epsilon * jax.random.uniform(key, pixels.shape, jnp.float32, -1, 1)

    def of_pixels(x: Array) -> Float[Array, "b"]:
        return loss(preprocess.standardize(x))

    # From the clean image: the ball has radius epsilon around it, not around the random start.
    found = attacks.ascend(of_pixels, pixels, start, attack.epsilon, step=attack.step, steps=attack.steps)
    return preprocess.standardize(found)
