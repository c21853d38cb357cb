"""The recipe of each `--method` on fine-grained data: the values of SnapMix's code, for a pre-trained network.

SnapMix on every batch with alpha 5 and doubled weights for pairs of one class, CutMix with alpha 3 on every batch,
mixup with alpha 1 on half of them. The other methods have the values of `recipes.imagenet`.
"""

import jaxmix
from recipes import imagenet
from recipes.applied import always, half
from recipes.core import Recipe, find

__all__ = ["create", "names"]


def create(method: str, side: int, std: tuple[float, ...] = (1.0,), *, scratch: bool = False) -> Recipe:
    """The recipe of `method` for images of a side, normalized by `std`; `scratch` is without pre-training.

    Raises ValueError listing the methods if there is none of that name.
    """
    table = imagenet.table(imagenet.Setting("finegrained", side, std, jsd=True))
    if not scratch:
        table |= {"snapmix": table["snapmix-pretrained"]}
    table |= {
        "cutmix": Recipe(always(jaxmix.cutmix, alpha=3.0), weight_decay=1e-4),
        "cutmix-alpha-1": Recipe(always(jaxmix.cutmix, alpha=1.0), weight_decay=1e-4),
        "mixup": Recipe(half(jaxmix.mixup, alpha=1.0), weight_decay=1e-4),
    }
    del table["snapmix-pretrained"]
    return find(method, table)


def names() -> tuple[str, ...]:
    """The names of all methods."""
    return (*(name for name in imagenet.names() if name != "snapmix-pretrained"), "cutmix-alpha-1")
