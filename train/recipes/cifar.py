"""The recipe of each `--method` on small images: its paper's hyper-parameters, where it acts, and its loss.

As in the authors' code, a draw (share, box, mask, and whether to mix at all) is shared by the batch unless said
otherwise. The data come shuffled anew every epoch, so the library's default partner, the next sample of the batch, is a
random one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

import jaxmix
import models
from jaxmix import saliency
from jaxmix.mix import Mix
from recipes import saliency_passes
from recipes.core import Augmentation, Recipe, find
from recipes.views import one_view, three_views

__all__ = ["DATASETS", "Setting", "create", "table"]

# The data sets that the papers' values, such as the padding of the crops, are for.
DATASETS = ("cifar10", "cifar100")

# ---- values that depend on the data set or the network

# Half the side is 16 on CIFAR-10; the paper found 8 for CIFAR-100.
CUTOUT_HOLE = {"cifar100": 8}
# In the paper mixup is drawn three times as often for a WideResNet.
RANDOMMIX_WEIGHTS = {"wrn": (3.0, 1.0, 1.0, 1.0)}
# Of SAGE's authors, the upper bound of the share and the update ratio: for PreActResNet-18 by data set, for ResNeXt-29
# and WRN-16-8 on either CIFAR.
SAGE = {"cifar100": (0.5, 0.7)}
SAGE_BY_FAMILY = {"resnext": (0.7, 0.5), "wrn": (0.7, 0.5)}
# The side of the images on which PuzzleMix moves blocks by one pixel at a time.
PUZZLEMIX_TRANSPORT_SIDE = {"cifar10": 4, "cifar100": 4}
# Of AugMix's authors: weight decay and epochs.
AUGMIX = {"densenet": (1e-4, 200), "resnext": (5e-4, 200)}


class Setting(NamedTuple):
    """What the values of the table depend on.

    side: the shorter side of the images, in pixels
    family: of the network, see `models.family`
    std: what the images, in [0, 1], were divided by
    jsd: whether AugMix trains for consistency of its views
    """

    dataset: str
    side: int
    family: str
    std: tuple[float, ...]
    jsd: bool


def create(
    method: str, dataset: str, side: int, model: str, std: tuple[float, ...] = (1.0,), *, jsd: bool = True
) -> Recipe:
    """The recipe of `method` in a setting, see `Setting`.

    Raises ValueError listing the methods if there is none of that name, or AugMix can't come before it.
    """
    return find(method, table(Setting(dataset, side, models.family(model), std, jsd)))


def table(setting: Setting) -> dict[str, Recipe]:
    """The recipe of each method."""
    return _unguided(setting) | _guided(setting) | _label_preserving(setting)


def _unguided(setting: Setting) -> dict[str, Recipe]:
    """Methods without saliency maps."""
    side = setting.side
    cutmix = partial(jaxmix.cutmix, per_batch=True)
    return {
        "none": Recipe(),
        "mixup": Recipe(_always(jaxmix.mixup, alpha=1.0), weight_decay=1e-4),
        # The CutMix code mixes every second batch on CIFAR.
        "cutmix": Recipe(_half(cutmix), weight_decay=1e-4),
        "cutmix-center-gaussian": Recipe(
            _half(partial(cutmix, center=jaxmix.masks.gaussian_center)), weight_decay=1e-4
        ),
        "cutmix-fixed-size": Recipe(_half(partial(cutmix, area=(0.25, 0.25))), weight_decay=1e-4),
        "cutmix-one-hot": Recipe(_half(_relabelled(cutmix, jaxmix.majority)), weight_decay=1e-4),
        "cutmix-complete-label": Recipe(_half(_relabelled(cutmix, jaxmix.evenly)), weight_decay=1e-4),
        "cutmix-scheduled": Recipe(_scheduled(cutmix), weight_decay=1e-4),
        # Holes are drawn for every image, in the authors' code too.
        "cutout": Recipe(_plain(partial(jaxmix.cutout, size=CUTOUT_HOLE.get(setting.dataset, side // 2)))),
        # How often SmoothMix mixes is not stated in the paper; as CutMix.
        "smoothmix_s": Recipe(
            _half(partial(jaxmix.smoothmix_s, sigma=(0.0, 1.0), k=0.2, per_batch=True)), weight_decay=1e-4
        ),
        "smoothmix_c": Recipe(_half(partial(jaxmix.smoothmix_c, sigma=(0.25, 0.5), per_batch=True)), weight_decay=1e-4),
        "resizemix": Recipe(_always(jaxmix.resizemix, scale=(0.1, 0.8))),
        "fmix": Recipe(_always(jaxmix.fmix, alpha=1.0)),
        "gridmix": Recipe(_always(jaxmix.gridmix, cells=min(4, side), alpha=1.0)),
        "gridmixup": Recipe(_always(jaxmix.gridmixup, holes=max(side // 8, 1))),
        "randommix": Recipe(
            _always(jaxmix.randommix, weights=RANDOMMIX_WEIGHTS.get(setting.family, (1.0, 1.0, 1.0, 1.0)))
        ),
        # In the paper's count 0 is the input, 1 follows the first stage and 2 the second.
        "manifold-mixup": Recipe(
            _always(jaxmix.mixup, alpha=2.0), points=(0, 2, 3), loss="softmax_bce", weight_decay=1e-4
        ),
        # The paper names the places up to the second stage without saying which are drawn from: all of them here.
        "feature-cutmix": Recipe(_always(jaxmix.cutmix, alpha=1.0), points=(0, 1, 2, 3), weight_decay=1e-4),
        "dropblock": Recipe(regularization=partial(_dropblock, keep=0.9, block=4), weight_decay=1e-4),
    }


def _guided(setting: Setting) -> dict[str, Recipe]:
    """Methods with saliency maps; all act on the images."""
    rms = partial(saliency_passes.input_gradient, magnitude=saliency.root_mean_square)
    upper, update_ratio = SAGE_BY_FAMILY.get(setting.family, SAGE.get(setting.dataset, (0.6, 0.7)))
    transport_side = PUZZLEMIX_TRANSPORT_SIDE.get(setting.dataset)
    same: dict[str, Any] = {"loss": "softmax_bce", "weight_decay": 1e-4, "padding": 2}
    return {
        # Peaks are each image's own, as in the paper; the authors' code takes one for the whole batch.
        "saliencymix": Recipe(_half(jaxmix.saliencymix), saliency_pass=saliency_passes.fine_grained),
        # The paper doesn't say how it trains.
        "attentivemix": Recipe(_plain(jaxmix.attentivemix), saliency_pass=partial(saliency_passes.attention, cells=7)),
        "sage": Recipe(
            _always(jaxmix.sage, alpha=1.0, upper=upper),
            saliency_pass=partial(
                saliency_passes.input_gradient,
                magnitude=saliency.mean_abs,
                objective=partial(saliency_passes.training_loss, weight=1 - update_ratio),
                train=True,
                parameter_gradient=True,
            ),
            mixed_weight=update_ratio,
            **same,
        ),
        # Of a network that starts from scratch; a pre-trained one mixes every batch, with alpha 5.
        "snapmix": Recipe(
            _half(partial(jaxmix.snapmix, alpha=1.0, per_batch=True)),
            saliency_pass=saliency_passes.class_activation,
            weight_decay=1e-4,
        ),
        "puzzlemix": Recipe(
            _always(
                jaxmix.puzzlemix,
                blocks=_divisors((2, 4, 8, 16), setting.side),
                transport_side=transport_side,
                std=setting.std,
            ),
            saliency_pass=partial(rms, objective=saliency_passes.mean_loss, train=False, parameter_gradient=False),
            **same,
        ),
        "comixup": Recipe(
            _plain(jaxmix.comixup),
            saliency_pass=partial(
                rms,
                objective=partial(saliency_passes.weighted_mean_loss, weight=1.0),
                train=True,
                parameter_gradient=True,
            ),
            **same,
        ),
    }


def _label_preserving(setting: Setting) -> dict[str, Recipe]:
    """Methods that keep the label: RandAugment as its paper has it for CIFAR-10."""
    weight_decay, epochs = AUGMIX.get(setting.family, (5e-4, 100))
    views, consistency = (three_views, 12.0) if setting.jsd else (one_view(jaxmix.augmix), 0.0)
    return {
        "autoaugment": Recipe(views=one_view(jaxmix.autoaugment)),
        "randaugment": Recipe(views=one_view(partial(jaxmix.randaugment, number=3, magnitude=5.0))),
        "trivialaugment": Recipe(views=one_view(jaxmix.trivialaugment)),
        "augmix": Recipe(views=views, consistency=consistency, weight_decay=weight_decay, epochs=epochs),
    }


# ---- how a method is applied


def _divisors(values: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Those of the values that divide the side, or 1."""
    return tuple(value for value in values if side % value == 0) or (1,)


def _plain(method: Callable[..., Any]) -> Augmentation:
    return lambda key, images, progress, *maps: method(key, images, *maps)


def _always(method: Callable[..., Any], **hyper_parameters: Any) -> Augmentation:
    return _plain(partial(method, per_batch=True, **hyper_parameters))


def _half(method: Callable[..., Any]) -> Augmentation:
    return _plain(jaxmix.sometimes(method, 0.5, per_batch=True))


def _scheduled(method: Callable[..., Any]) -> Augmentation:
    return lambda key, images, progress: jaxmix.sometimes(method, progress, per_batch=True)(key, images)


def _relabelled(method: Callable[..., Any], weights: Callable[[Mix], Mix]) -> Callable[..., Any]:
    def relabelled(key: jax.Array, images: jax.Array) -> tuple[jax.Array, Mix]:
        mixed, mix = method(key, images)
        return mixed, weights(mix)

    return relabelled


def _dropblock(
    key: jax.Array, features: jax.Array, progress: ArrayLike, left: int, *, keep: float, block: int
) -> jax.Array:
    """DropBlock after the last two stages, keep falling linearly from 1 to its target; a quarter of it one stage
    earlier.

    Differs from the authors' code, which acts after every convolution of these stages and on their shortcuts.
    """
    if left > 1:
        return features
    drop = jnp.float32((1 - keep) / 4**left) * jnp.asarray(progress, jnp.float32)
    return jaxmix.dropblock(key, features, keep=1 - drop, block=block)
