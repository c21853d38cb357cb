"""Localization metrics: boxes and pixels of score maps against annotated ones.

Score maps are computed on the device (`score_maps` of `jaxmix.saliency.cam`), regions and boxes on the host.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments
from jaxmix.robustness.localization import heatmaps
from jaxmix.robustness.localization.boxes import overlap, validated_boxes
from jaxmix.robustness.localization.connected_components import all_regions, largest_region
from jaxmix.robustness.localization.heatmaps import to_levels
from jaxmix.robustness.metric_inputs import Values

__all__ = [
    "Boxes", "Regions", "best_overlap", "max_box_accuracy", "pixel_average_precision", "region_boxes", "top_1_accuracy",
]  # fmt: skip

Boxes = Values
Regions = Callable[[np.ndarray], np.ndarray]


@arguments.annotated
def region_boxes(maps: ArrayLike, *, threshold: float = 0.15, regions: Regions = largest_region) -> list[np.ndarray]:
    """Boxes of the regions above a threshold in each map, on the host.

        mask = q > floor(threshold * max q),   q = to_levels(maps)

    Args:
        maps: [n h w], floating of any range, or uint8 levels.
        threshold: share of a map's highest level, in 0..1; CAM on ImageNet is usually cut at 0.15.
        regions: from a mask [h w] to boxes [r 4]: `largest_region` or `all_regions`.

    Returns:
        For each map Int [r 4], (x0, y0, x1, y1); (0, 0, 0, 0) where a map is constant or holds a value that isn't
        finite.

    Raises:
        ValueError: maps that aren't floating or uint8 [n h w], a threshold outside 0..1.

    >>> import jax.numpy as jnp
    >>> region_boxes(jnp.zeros((1, 8, 8)).at[0, 2:5, 3:6].set(1.0))[0].tolist()
    [[3, 2, 6, 5]]
    """
    cut = _share("threshold", threshold, zero=True)
    return [regions(one > int(cut * one.max())) for one in np.asarray(to_levels(maps))]


@arguments.annotated
def best_overlap(maps: ArrayLike, boxes: Boxes, *, step: float = 0.001, regions: Regions = all_regions) -> np.ndarray:
    """The best intersection over union of any region's box with any box of the image, at every threshold.

        out[n, t] = max over regions r of maps[n] above t, boxes k of overlap(r, boxes[n][k]),   t = 0, step, 2 step ..

    A map has at most 256 levels, so regions are found at most 255 times however small the step: about 0.1 s on
    the host for a map of 224 x 224, 0.03 s for one of 64 x 64.

    Args:
        maps: [n h w], floating of any range, or uint8 levels, of the size of the images.
        boxes: Int [n 4], or for several boxes in an image a list of [k 4]; (x0, y0, x1, y1) in pixels of the maps,
            x1 at most w and y1 at most h.
        step: between thresholds, above 0 and at most 1.
        regions: from a mask [h w] to boxes [r 4]: `all_regions` or `largest_region`.

    Returns:
        float64 [n t], in 0..1, on the host.

    Raises:
        ValueError: maps that aren't floating or uint8 [n h w]; boxes that aren't integers, one or more for every
            map, that have their corners in the wrong order or lie outside; a step out of range.

    >>> maps = np.zeros((1, 8, 8), np.float32)
    >>> maps[0, 2:5, 3:6] = 1
    >>> best_overlap(maps, np.array([[3, 2, 6, 5]]), step=0.5).tolist()
    [[1.0, 1.0]]
    """
    thresholds = np.arange(0, 1, _share("step", step))
    found = np.asarray(to_levels(maps))
    truths = validated_boxes(boxes, *found.shape)
    return np.stack([_best(one, truth, thresholds, regions) for one, truth in zip(found, truths, strict=True)])


@arguments.annotated
def max_box_accuracy(
    maps: ArrayLike,
    boxes: Boxes,
    *,
    iou: Sequence[float] = (0.3, 0.5, 0.7),
    step: float = 0.001,
    regions: Regions = all_regions,
) -> np.ndarray:
    """Share of the images whose object is found, at the threshold that is best for the whole set.

        out[d] = max over t of mean over n of [best_overlap[n, t] >= iou[d]]

    MaxBoxAccV2 is the mean of the result. MaxBoxAcc, its first form, is `iou=(0.5,), regions=largest_region`.

    Args:
        maps: score maps for the true labels, [n h w]: floating of any range, or uint8 levels, of the size of the
            images. `score_maps(cam(features, kernel, labels), 224, 224)` computes them as the authors do.
        boxes: Int [n 4], or for several boxes in an image a list of [k 4]; (x0, y0, x1, y1) in pixels of the maps. See
            `resize_boxes`.
        iou: overlaps from which on an object counts as found, each above 0 and at most 1.
        step: between thresholds, above 0 and at most 1.
        regions: from a mask [h w] to boxes [r 4]: `all_regions` or `largest_region`.

    Returns:
        float64 [d], the accuracy for each of `iou`, in 0..1, on the host.

    Raises:
        ValueError: as `best_overlap`; `iou` that isn't a sequence of values above 0, at most 1.

    Differs from the authors' code: none.

    Reference: Junsuk Choe, Seong Joon Oh, Seungho Lee, Sanghyuk Chun, Zeynep Akata, Hyunjung Shim. Evaluating
    Weakly-Supervised Object Localization Methods Right. CVPR 2020.

    >>> maps = np.zeros((2, 8, 8), np.float32)
    >>> maps[:, 2:5, 3:6] = 1
    >>> max_box_accuracy(maps, [np.array([[3, 2, 6, 5]]), np.array([[0, 0, 1, 1], [2, 2, 6, 6]])]).tolist()
    [1.0, 1.0, 0.5]
    """
    wanted = _overlaps(iou)
    found = best_overlap(maps, boxes, step=step, regions=regions)
    return np.array([(found >= least).mean(0).max() for least in wanted])


@arguments.annotated
def top_1_accuracy(
    maps: ArrayLike,
    boxes: Boxes,
    correct: Values,
    *,
    threshold: float = 0.15,
    iou: float = 0.5,
    regions: Regions = largest_region,
) -> float:
    """Top-1 Loc: share of the images with the right class and a found object, at one fixed threshold.

        out = mean over n of correct[n] [max over r, k of overlap(region r of maps[n], boxes[n][k]) >= iou]

    With `correct` all true it is GT-known Loc, with `correct` that of the five best classes Top-5 Loc.

    Args:
        maps: score maps [n h w], floating of any range, or uint8 levels, of the size of the images.
        boxes: Int [n 4], or for several boxes in an image a list of [k 4]; (x0, y0, x1, y1) in pixels of the maps.
        correct: bool [n], whether the predicted class is right.
        threshold: share of a map's highest level, in 0..1. It affects the result: state it.
        iou: overlap from which on an object counts as found, above 0 and at most 1.
        regions: from a mask [h w] to boxes [r 4]: `largest_region` or `all_regions`.

    Returns:
        The accuracy, in 0..1, on the host.

    Raises:
        ValueError: as `best_overlap`; `correct` that isn't bool [n]; a threshold or an overlap out of range.

    Reference: Bolei Zhou, Aditya Khosla, Agata Lapedriza, Aude Oliva, Antonio Torralba. Learning Deep Features for
    Discriminative Localization. CVPR 2016. Sangdoo Yun, Dongyoon Han, Seong Joon Oh, Sanghyuk Chun, Junsuk Choe,
    Youngjoon Yoo. CutMix. ICCV 2019.

    >>> maps = np.zeros((2, 8, 8), np.float32)
    >>> maps[:, 2:5, 3:6] = 1
    >>> top_1_accuracy(maps, np.array([[3, 2, 6, 5], [3, 2, 6, 5]]), np.array([True, False]))
    0.5
    """
    (least,) = _overlaps((iou,))
    found = region_boxes(maps, threshold=threshold, regions=regions)
    right = np.asarray(arguments.numeric("correct", correct))
    if right.shape != (len(found),) or right.dtype != bool:
        raise ValueError(
            f"correct has shape {right.shape} and dtype {right.dtype}; wanted bool [{len(found)}], one for each map: "
            "call logits.argmax(-1) == labels"
        )
    truths = validated_boxes(boxes, *np.shape(maps))
    hits = [overlap(one, truth).max() >= least for one, truth in zip(found, truths, strict=True)]
    return float((right & np.array(hits)).mean())


@arguments.annotated
def pixel_average_precision(maps: ArrayLike, masks: ArrayLike, *, step: float = 0.001) -> float:
    """PxAP: the area under precision over recall of all pixels of a set, as the threshold goes down.

        out = sum over t of precision[t] (recall[t] - recall[t before]),   t = 1, .., 2 step, step, 0

    A pixel counts as found at t where its score is t or more; neither images nor objects are weighted.

    Args:
        maps: scores [n h w] in 0..1, floating, of the size of the masks: of `score_maps`.
        masks: integers [n h w]: 1 the object, 0 the background, 255 left out.
        step: between thresholds, above 0 and at most 1.

    Returns:
        The area, in 0..1, on the host.

    Raises:
        ValueError: maps that aren't floating [n h w] within 0..1; masks of another shape, with other values, or
            without a pixel of an object; a step out of range.

    Differs from the authors' code: none.

    Reference: Junsuk Choe, Seong Joon Oh, Seungho Lee, Sanghyuk Chun, Zeynep Akata, Hyunjung Shim. Evaluating
    Weakly-Supervised Object Localization Methods Right. CVPR 2020.

    >>> pixel_average_precision(np.array([[[0.9, 0.5, 0.1]]], np.float32), np.array([[[1, 0, 1]]])).__round__(4)
    0.8333
    """
    thresholds = np.append(np.arange(0, 1, _share("step", step)), 1)
    heatmaps.validated_maps(maps)
    scores, truth = np.asarray(maps), np.asarray(arguments.numeric("masks", masks))
    if scores.dtype == np.uint8 or not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(
            f"maps have dtype {scores.dtype} and go from {scores.min()} to {scores.max()}; wanted scores in 0..1: "
            "call score_maps(maps, height, width) first"
        )
    if truth.shape != scores.shape or truth.dtype.kind not in "biu":
        raise ValueError(f"masks have shape {truth.shape} and dtype {truth.dtype}; wanted integers {scores.shape}")
    if not np.isin(truth, (0, 1, 255)).all() or not (truth == 1).any():
        raise ValueError("masks have other values than 0, 1 and 255, or nowhere 1: 1 is the object, 255 is left out")
    # The number of pixels between a threshold and the next, then above it, from the highest threshold down.
    place = np.searchsorted(thresholds, scores.astype(np.float64), "right") - 1
    hits, false = (np.bincount(place[truth == kind], minlength=len(thresholds))[::-1].cumsum() for kind in (1, 0))
    precision = hits / np.maximum(hits + false, 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])


def _best(one: np.ndarray, truth: np.ndarray, thresholds: np.ndarray, regions: Regions) -> np.ndarray:
    """Row of `best_overlap` for one map of levels."""
    cuts, which = np.unique((thresholds * one.max()).astype(int), return_inverse=True)
    found = [regions(one > cut) for cut in cuts]
    starts = np.cumsum([0, *(len(boxes) for boxes in found[:-1])])
    return np.maximum.reduceat(overlap(np.concatenate(found), truth).max(1), starts)[which]


def _share(name: str, value: float, *, zero: bool = False) -> float:
    arguments.number(name, value, high=1.0)
    if value == 0 and not zero:
        raise ValueError(f"{name} is 0; wanted a value above 0, at most 1")
    return float(value)  # not from float32, which would round it


def _overlaps(iou: Sequence[float]) -> list[float]:
    return [_share(f"iou[{place}]", least) for place, least in enumerate(arguments.some("iou", iou))]
