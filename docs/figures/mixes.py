"""Every public method applied to the photographs, with a key under which it shows what it does."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import photographs

import jaxmix
from jaxmix.methods.enumeration import by_name, map_names
from jaxmix.visualize import examples

__all__ = ["SIDE", "Example", "example", "names"]

SIDE = 256
# Families of methods, in which the figures show them; a method that is none of these comes last.
_ORDER = (
    "mixup cutmix smoothmix_s smoothmix_c resizemix fmix gridmix gridmixup randommix "
    "saliencymix attentivemix snapmix sage guidedmix puzzlemix comixup "
    "cutout patch_gaussian patch_uniform augmix pixmix autoaugment random_autoaugment randaugment trivialaugment"
).split()
# Where the defaults are for images of 32 x 32 pixels, for larger batches, or for the maps of a network, which have
# higher peaks than those of the pixels.
_OPTIONS = {
    "cutout": {"size": SIDE // 2},  # the paper's half of the side
    "patch_gaussian": {"width": SIDE * 25 / 32},  # as on CIFAR
    "patch_uniform": {"width": SIDE * 25 / 32},
    "comixup": {"smoothness": 0.16},  # the least of the paper's values: a batch of three shares little otherwise
    "puzzlemix": {"blocks": 8, "levels": 2, "smoothness": 0.4},
}
_KEYS, _WANTED = 24, 0.6


class Example(NamedTuple):
    """The batch under one method.

    name:  of the method
    mixed: [b h w c]
    mix:   arrays on the host
    maps:  [b n m] that guided it, or None
    """

    name: str
    mixed: np.ndarray
    mix: jaxmix.Mix
    maps: np.ndarray | None


def names() -> list[str]:
    """Name every public method, in the order of the figures."""
    return sorted(by_name(), key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


@functools.cache
def example(name: str, **options: float) -> Example:
    """Apply a method to the photographs, with its hyper-parameters for this size and the options given.

    Of the first keys the one is taken under which the first image has about 0.6 of the label, and the others 0.4; of
    methods that keep the label, the one that changes the image more than three quarters of the others do.
    """
    method = by_name()[name]
    x = jnp.asarray(photographs.batch(SIDE))
    maps = examples.maps_for(method, x)
    program = jax.jit(functools.partial(method, **_OPTIONS.get(name, {}), **options))

    runs = [jax.device_get(program(jax.random.key(seed), x, *maps)) for seed in range(_KEYS)]
    weights = np.stack([mix.weight[0] for _, mix in runs])
    if weights.shape[1] == 1:
        change = [np.abs(mixed[0].astype(float) - x[0]).mean() for mixed, _ in runs]
        seed = int(np.argsort(change)[_KEYS * 3 // 4])
    else:
        own, others = weights[:, 0], weights[:, 1:].sum(1)
        seed = int(np.argmin(np.abs(own - _WANTED) + np.abs(others - (1 - _WANTED))))
    mixed, mix = runs[seed]
    guided = set(map_names(method)) - {"labels", "mixing_set"}
    return Example(name, mixed, mix, np.asarray(maps[0]) if guided else None)
