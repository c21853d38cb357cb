"""The programs that train, by name: what a comparison of their runs needs to know of each."""

from typing import Any

import cifar
import finegrained
import imagenet
import inputs
import recipes
import streaming

__all__ = ["PROGRAMS", "check_method", "fingerprint", "name_of"]

PROGRAMS: dict[str, Any] = {"cifar": cifar, "imagenet": imagenet, "finegrained": finegrained}


def name_of(config: Any) -> str:
    """The program whose options these are."""
    return next(name for name, program in PROGRAMS.items() if isinstance(config, program.Config))


def check_method(config: Any) -> None:
    """Raises ValueError for a method that there isn't."""
    if isinstance(config, cifar.Config):
        recipes.cifar.create(config.method, config.dataset, 32, config.model)
    else:
        PROGRAMS[name_of(config)].recipe_of(config)


def fingerprint(config: Any) -> dict[str, Any]:
    """What tells the data of a training from others: of the files, however a run prepares them.

    Raises ValueError for data that are missing.
    """
    if isinstance(config, cifar.Config):
        return inputs.describe(cifar.load(config))
    return streaming.describe(PROGRAMS[name_of(config)].load(config).splits)
