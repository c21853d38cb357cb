"""The recipe of each `--method` on ImageNet and images like it, and on Tiny-ImageNet: its papers' hyper-parameters.

As in the authors' code, a draw (share, box, mask) is shared by the batch unless said otherwise. Methods without a
published setting for ImageNet have that of small images, see `recipes.cifar`, on every batch.

ImageNet: mixup 0.2 (its paper) and 1.0 (mixup-alpha-1, as CutMix's table has it), CutMix and what follows its code on
every batch, Manifold Mixup 1.0 and DropBlock with blocks of 7 as in CutMix's table, Cutout 112 of 224, cross-entropy
everywhere. Tiny-ImageNet as in the code of PuzzleMix and Co-Mixup: 0.2 for mixup, Manifold Mixup and CutMix, the loss
`softmax_bce`, and for PuzzleMix a gradient of the clean images. TransMix and TokenMix weight the labels by a vision
transformer's attention to the mixed image, half and half with the area.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jaxmix
from jaxmix import saliency
from jaxmix.methods.augmix import NINE
from jaxmix.methods.pixmix import noise
from jaxmix.pixels import policies
from recipes import attended, cifar, mixing_sets, saliency_passes
from recipes.applied import Applied, always, half, rising
from recipes.core import Recipe, find
from recipes.views import one_view, three_views

__all__ = ["PREFIXES", "TINY", "Setting", "create", "names", "table"]

# The data set with the values of Tiny-ImageNet.
TINY = "tiny-imagenet"
# What keeps the label and may come before a method that mixes the images without maps, as in trivialaugment+cutmix.
PREFIXES = ("trivialaugment", "randaugment", "randaugment-6", "randaugment-10", "autoaugment")
# With 13 operations, with AugMix's nine, with a mixing set of noise alone.
PIXMIX: dict[str, dict[str, Any]] = {
    "pixmix": {},
    "pixmix-nine": {"operations": NINE},
    "pixmix-noise": {"kinds": (noise,)},
}


class Setting(NamedTuple):
    """What the values of the table depend on.

    side: the shorter side of the images, in pixels
    std: what the images, in [0, 1], were divided by
    jsd: whether AugMix trains for consistency of its views
    """

    dataset: str
    side: int
    std: tuple[float, ...]
    jsd: bool


def create(method: str, dataset: str, side: int, std: tuple[float, ...] = (1.0,), *, jsd: bool = True) -> Recipe:
    """The recipe of `method` in a setting, see `Setting`.

    Raises ValueError listing the methods if there is none of that name, or what stands before the + can't.
    """
    recipes = table(Setting(dataset, side, std, jsd))
    before, plus, after = method.partition("+")
    if not plus or before not in PREFIXES:
        return find(method, recipes)
    mixing = find(after, recipes)
    if mixing.augmentation is None or mixing.saliency_pass is not None or mixing.points != (0,) or mixing.views:
        raise ValueError(f"--method {method}: {before} comes before methods that mix the images and need no maps.")
    return mixing._replace(views=recipes[before].views)


def names() -> tuple[str, ...]:
    """The names of all methods."""
    return tuple(table(Setting("folder", 224, (1.0,), True)))


def table(setting: Setting) -> dict[str, Recipe]:
    """The recipe of each method."""
    small = cifar.table(cifar.Setting(setting.dataset, setting.side, "resnet", setting.std, setting.jsd))
    tiny = setting.dataset == TINY
    loss: Literal["cross_entropy", "softmax_bce"] = "softmax_bce" if tiny else "cross_entropy"
    found = small | _mixup_and_cutmix() | _either() | _guided(small) | _label_preserving(setting)
    found |= _attended(found["mixup-or-cutmix-0.8"], setting.side)
    found = {
        name: recipe._replace(weight_decay=1e-4, epochs=90, loss=loss if recipe.loss == "softmax_bce" else recipe.loss)
        for name, recipe in found.items()
    }
    return found | (_tiny(found) if tiny else {})


def _mixup_and_cutmix() -> dict[str, Recipe]:
    cutmix = jaxmix.cutmix
    manifold = Recipe(always(jaxmix.mixup, alpha=1.0), points=(0, 2, 3))
    return {
        "mixup": Recipe(always(jaxmix.mixup, alpha=0.2)),
        "mixup-alpha-1": Recipe(always(jaxmix.mixup, alpha=1.0)),
        "manifold-mixup": manifold,
        "cutmix": Recipe(always(cutmix)),
        "cutmix-half": Recipe(half(cutmix)),  # as on CIFAR
        "cutmix-alpha-0.2": Recipe(always(cutmix, alpha=0.2)),
        "cutmix-center-gaussian": Recipe(always(cutmix, center=jaxmix.masks.gaussian_center)),
        "cutmix-fixed-size": Recipe(always(cutmix, area=(0.25, 0.25))),
        "cutmix-one-hot": Recipe(Applied(partial(cutmix, per_batch=True), label=jaxmix.majority)),
        "cutmix-complete-label": Recipe(Applied(partial(cutmix, per_batch=True), label=jaxmix.evenly)),
        "cutmix-scheduled": Recipe(Applied(partial(cutmix, per_batch=True), rising)),
        # How often SmoothMix mixes is not stated in the paper; as CutMix.
        "smoothmix_s": Recipe(always(jaxmix.smoothmix_s, sigma=(0.0, 1.0), k=0.2)),
        "smoothmix_c": Recipe(always(jaxmix.smoothmix_c, sigma=(0.25, 0.5))),
        "dropblock": Recipe(regularization=partial(cifar.dropblock, keep=0.9, block=7)),
    }


def _either() -> dict[str, Recipe]:
    """Mixup or CutMix, one of them for every batch: torchvision's values, and those of timm's and DeiT's recipes."""

    def either(alpha: float) -> Recipe:
        methods = [partial(jaxmix.mixup, alpha=alpha, per_batch=True), partial(jaxmix.cutmix, per_batch=True)]
        return Recipe(Applied(jaxmix.one_of(methods, [0.5, 0.5])))

    return {"mixup-or-cutmix": either(0.2), "mixup-or-cutmix-0.1": either(0.1), "mixup-or-cutmix-0.8": either(0.8)}


def _attended(either: Recipe, side: int) -> dict[str, Recipe]:
    """Mixup or, as often, a method whose labels are weighted by attention; mixup's weights stay as they are.

    The masks are averaged over each patch, so that a box within one keeps its share, which the authors' corners may
    lose. TokenMix's own labels are those of a second network's maps.
    """
    tokens = partial(attended.tokenmix, cells=attended.cells(side), per_batch=True)
    mixup = partial(jaxmix.mixup, alpha=0.8, per_batch=True)
    return {
        "transmix": either._replace(attend=jaxmix.attend),
        "tokenmix": Recipe(Applied(jaxmix.one_of([mixup, tokens], [0.5, 0.5])), attend=jaxmix.attend),
    }


def _guided(small: dict[str, Recipe]) -> dict[str, Recipe]:
    fine_grained = saliency_passes.fine_grained
    return {
        "saliencymix": Recipe(Applied(jaxmix.saliencymix), saliency_pass=fine_grained),
        "saliencymix-one-box": Recipe(always(jaxmix.saliencymix), saliency_pass=fine_grained),
        # Of a pre-trained network, as on fine-grained data; `snapmix` is of one that starts from scratch.
        "snapmix-pretrained": small["snapmix"]._replace(
            augmentation=always(jaxmix.snapmix, alpha=5.0, double_same_label=True)
        ),
    }


def _label_preserving(setting: Setting) -> dict[str, Recipe]:
    """Methods that keep the label: AugMix of severity 1; RandAugment of 2 operations, magnitude 9 in its paper."""
    severe = partial(jaxmix.augmix, severity=1.0)
    views, consistency = (partial(three_views, severity=1.0), 12.0) if setting.jsd else (one_view(severe), 0.0)
    return {
        "autoaugment": Recipe(views=one_view(partial(jaxmix.autoaugment, policy=policies.IMAGENET))),
        **{
            name: Recipe(views=one_view(partial(jaxmix.randaugment, number=2, magnitude=magnitude)))
            for name, magnitude in (("randaugment", 9.0), ("randaugment-6", 6.0), ("randaugment-10", 10.0))
        },
        "trivialaugment": Recipe(views=one_view(jaxmix.trivialaugment)),
        **{
            name: Recipe(views=one_view(partial(method, width=(0.0, 250 / 224 * setting.side))))
            for name, method in (("patch-gaussian", jaxmix.patch_gaussian), ("patch-uniform", jaxmix.patch_uniform))
        },
        "augmix": Recipe(views=views, consistency=consistency),
        **{
            name: Recipe(views=mixing_sets.pixmix(512, 1 / 7, beta=4.0, severity=1.0, **options))
            for name, options in PIXMIX.items()
        },
    }


def _tiny(found: dict[str, Recipe]) -> dict[str, Recipe]:
    """What is other on Tiny-ImageNet, in the code of PuzzleMix and Co-Mixup."""
    clean = partial(
        saliency_passes.input_gradient,
        magnitude=saliency.root_mean_square,
        objective=partial(saliency_passes.weighted_mean_loss, weight=1.0),
        train=True,
        parameter_gradient=True,
    )
    changed = {
        "none": found["none"],
        "mixup": found["mixup"],
        "cutmix": found["cutmix-alpha-0.2"],
        "manifold-mixup": Recipe(always(jaxmix.mixup, alpha=0.2), points=(0, 2, 3)),
        "puzzlemix": found["puzzlemix"]._replace(saliency_pass=clean),
        "comixup": found["comixup"],
        "sage": found["sage"],
        "sage-sampled": found["sage-sampled"],
    }
    return {name: recipe._replace(loss="softmax_bce", weight_decay=1e-4) for name, recipe in changed.items()}
