"""Mixing of each device's own part of the batch, so that no image travels between devices."""

import jax
from jax.sharding import Mesh
from jax.typing import ArrayLike

import jaxmix
from jaxmix.mix import Mix
from recipes.core import Augmentation, Recipe

__all__ = ["mixed_per_device"]


def mixed_per_device(recipe: Recipe, mesh: Mesh, batch_size: int) -> Recipe:
    """The recipe with partners and draws of each device's own part, which depend on the number of devices.

    Raises ValueError where nothing is mixed, or where a device has one image only.
    """
    if recipe.augmentation is None:
        raise ValueError("--mix-per-device is for methods that mix images; wanted another --method, or none of it.")
    if batch_size < 2 * mesh.size:
        raise ValueError(
            f"--batch-size is {batch_size} on {mesh.size} devices; wanted {2 * mesh.size} or more with "
            "--mix-per-device, two images on each."
        )
    return recipe._replace(augmentation=_per_device(recipe.augmentation, mesh))


def _per_device(augmentation: Augmentation, mesh: Mesh) -> Augmentation:
    def apply(key: jax.Array, images: jax.Array, progress: ArrayLike, *maps: jax.Array) -> tuple[jax.Array, Mix]:
        def part(key: jax.Array, images: jax.Array, *maps: jax.Array) -> tuple[jax.Array, Mix]:
            return augmentation(key, images, progress, *maps)

        return jaxmix.per_device(part, mesh)(key, images, *maps)

    return apply
