"""The recipe of each `--method` on small images: its paper's hyper-parameters, where it acts, and its loss.

As in the authors' code, a draw (share, box, mask, and whether to mix at all) is shared by the batch unless said
otherwise. The data come shuffled anew every epoch, so the library's default partner, the next sample of the batch, is a
random one.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

import jaxmix
import models
from jaxmix import saliency, shifts
from jaxmix.methods.augmix import NINE
from jaxmix.methods.pixmix import noise
from recipes import mixing_sets, saliency_passes
from recipes.applied import Applied, always, half, rising
from recipes.core import Recipe, find
from recipes.views import one_view, three_views

__all__ = ["DATASETS", "Setting", "create", "dropblock", "table"]

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
    return _unguided(setting) | _with_variants(setting) | _guided(setting) | _label_preserving(setting)


def _unguided(setting: Setting) -> dict[str, Recipe]:
    """Methods without saliency maps."""
    side = setting.side
    cutmix = jaxmix.cutmix
    light = partial(Recipe, weight_decay=1e-4)
    return {
        "none": Recipe(),
        "mixup": light(always(jaxmix.mixup, alpha=1.0)),
        # The CutMix code mixes every second batch on CIFAR.
        "cutmix": light(half(cutmix)),
        "cutmix-center-gaussian": light(half(cutmix, center=jaxmix.masks.gaussian_center)),
        "cutmix-fixed-size": light(half(cutmix, area=(0.25, 0.25))),
        "cutmix-one-hot": light(half(cutmix, jaxmix.majority)),
        "cutmix-complete-label": light(half(cutmix, jaxmix.evenly)),
        "cutmix-scheduled": light(Applied(partial(cutmix, per_batch=True), rising)),
        # The PuzzleMix code, and those that follow it, mix every batch, with a box of another rounding.
        "cutmix-real-box": light(always(cutmix, center=jaxmix.masks.real_center, box=jaxmix.masks.real_box)),
        # How often SmoothMix mixes is not stated in the paper; as CutMix.
        "smoothmix_s": light(half(jaxmix.smoothmix_s, sigma=(0.0, 1.0), k=0.2)),
        "smoothmix_c": light(half(jaxmix.smoothmix_c, sigma=(0.25, 0.5))),
        "resizemix": Recipe(always(jaxmix.resizemix, scale=(0.1, 0.8))),
        "fmix": Recipe(always(jaxmix.fmix, alpha=1.0)),
        "gridmix": Recipe(always(jaxmix.gridmix, cells=min(4, side), alpha=1.0)),
        "gridmixup": Recipe(always(jaxmix.gridmixup, holes=max(side // 8, 1))),
        "randommix": Recipe(
            always(jaxmix.randommix, weights=RANDOMMIX_WEIGHTS.get(setting.family, (1.0, 1.0, 1.0, 1.0)))
        ),
        # The paper names the places up to the second stage without saying which are drawn from: all of them here.
        "feature-cutmix": light(always(cutmix, alpha=1.0), points=(0, 1, 2, 3)),
        "dropblock": light(regularization=partial(dropblock, keep=0.9, block=4)),
    }


def _with_variants(setting: Setting) -> dict[str, Recipe]:
    """Methods that CutMix's table trains with other values than their own papers."""
    half_side = setting.side // 2
    manifold = partial(Recipe, points=(0, 2, 3), loss="softmax_bce", weight_decay=1e-4)
    return {
        # Holes are drawn for every image, in the authors' code too.
        "cutout": Recipe(Applied(partial(jaxmix.cutout, size=CUTOUT_HOLE.get(setting.dataset, half_side)))),
        "cutout-half": Recipe(Applied(partial(jaxmix.cutout, size=half_side))),
        "mixup-alpha-0.5": Recipe(always(jaxmix.mixup, alpha=0.5), weight_decay=1e-4),
        # In the paper's count 0 is the input, 1 follows the first stage and 2 the second.
        "manifold-mixup": manifold(always(jaxmix.mixup, alpha=2.0)),
        "manifold-mixup-alpha-1": manifold(always(jaxmix.mixup, alpha=1.0)),
    }


def _guided(setting: Setting) -> dict[str, Recipe]:
    """Methods with saliency maps; all act on the images."""
    rms = partial(saliency_passes.input_gradient, magnitude=saliency.root_mean_square)
    upper, update_ratio = SAGE_BY_FAMILY.get(setting.family, SAGE.get(setting.dataset, (0.6, 0.7)))
    transport_side = PUZZLEMIX_TRANSPORT_SIDE.get(setting.dataset)
    same: dict[str, Any] = {"loss": "softmax_bce", "weight_decay": 1e-4, "padding": 2}
    sage = Recipe(
        saliency_pass=partial(
            saliency_passes.input_gradient,
            magnitude=saliency.mean_abs,
            objective=partial(saliency_passes.training_loss, weight=1 - update_ratio),
            train=True,
            parameter_gradient=True,
        ),
        mixed_weight=update_ratio,
        **same,
    )
    return {
        # Peaks are each image's own, as in the paper; the authors' code takes one for the whole batch.
        "saliencymix": Recipe(Applied(jaxmix.saliencymix, 0.5), saliency_pass=saliency_passes.fine_grained),
        "saliencymix-one-box": Recipe(half(jaxmix.saliencymix), saliency_pass=saliency_passes.fine_grained),
        # The paper doesn't say how it trains.
        "attentivemix": Recipe(Applied(jaxmix.attentivemix), saliency_pass=partial(saliency_passes.attention, cells=7)),
        "sage": sage._replace(augmentation=always(jaxmix.sage, alpha=1.0, upper=upper)),
        # As the authors search: 1 % of the shifts, the same for all pairs of the batch.
        "sage-sampled": sage._replace(
            augmentation=always(jaxmix.sage, alpha=1.0, upper=upper, search=partial(shifts.sampled, share=0.01))
        ),
        # Not in the paper: what the mask by saliency does without the search.
        "sage-unshifted": sage._replace(augmentation=always(jaxmix.sage, alpha=1.0, upper=upper, search=unshifted)),
        # Of a network that starts from scratch; a pre-trained one mixes every batch, with alpha 5.
        "snapmix": Recipe(
            half(jaxmix.snapmix, alpha=1.0),
            saliency_pass=saliency_passes.class_activation,
            weight_decay=1e-4,
        ),
        "puzzlemix": Recipe(
            always(
                jaxmix.puzzlemix,
                blocks=_divisors((2, 4, 8, 16), setting.side),
                transport_side=transport_side,
                std=setting.std,
            ),
            saliency_pass=partial(rms, objective=saliency_passes.mean_loss, train=False, parameter_gradient=False),
            **same,
        ),
        # Half of the batches by the saliency of the pixels, or four fifths by that of the gradient, whose pass
        # normalizes by its batch. Partners are those of the paper; the authors' code for CIFAR pairs at random.
        "guidedmix": Recipe(
            Applied(jaxmix.guidedmix, 0.5),
            saliency_pass=saliency_passes.spectral_residual,
            loss="softmax_bce",
            weight_decay=1e-4,
        ),
        "guidedmix-gradient": Recipe(
            Applied(jaxmix.guidedmix, 0.8),
            saliency_pass=partial(rms, objective=saliency_passes.mean_loss, train=True, parameter_gradient=False),
            loss="softmax_bce",
            weight_decay=1e-4,
        ),
        "comixup": Recipe(
            Applied(jaxmix.comixup),
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
        "random-autoaugment": Recipe(views=one_view(jaxmix.random_autoaugment)),
        # 25 of 32 pixels, on other images as large a share.
        "patch-gaussian": Recipe(views=one_view(partial(jaxmix.patch_gaussian, width=25 / 32 * setting.side))),
        "patch-uniform": Recipe(views=one_view(partial(jaxmix.patch_uniform, width=25 / 32 * setting.side))),
        "randaugment": Recipe(views=one_view(partial(jaxmix.randaugment, number=3, magnitude=5.0))),
        "trivialaugment": Recipe(views=one_view(jaxmix.trivialaugment)),
        "augmix": Recipe(views=views, consistency=consistency, weight_decay=weight_decay, epochs=epochs),
        # Of 13 operations, four of which are corruptions of CIFAR-C too; and of AugMix's nine.
        "pixmix": Recipe(views=mixing_sets.pixmix(), epochs=100),
        "pixmix-nine": Recipe(views=mixing_sets.pixmix(operations=NINE), epochs=100),
        "pixmix-noise": Recipe(views=mixing_sets.pixmix(kinds=(noise,)), epochs=100),
    }


# ---- how a method is applied


def _divisors(values: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Those of the values that divide the side, or 1."""
    return tuple(value for value in values if side % value == 0) or (1,)


def unshifted(key: jax.Array, own: jax.Array, other: jax.Array) -> jax.Array:
    """No shift of any partner, int [b 2], in the place of SAGE's search."""
    return jnp.zeros((len(own), 2), jnp.int32)


def dropblock(
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
