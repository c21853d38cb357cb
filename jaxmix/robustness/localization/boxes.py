"""Bounding boxes (x0, y0, x1, y1) on the host: columns, then rows, the last ones included."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxmix import arguments

# Of numpy's own type of this name the nested sequences can't be checked at run time.
ArrayLike = jax.typing.ArrayLike | Sequence[Any]

__all__ = ["overlap", "resize_boxes", "validated_boxes"]


def overlap(one: ArrayLike, other: ArrayLike) -> np.ndarray:
    """Intersection over union of every box with every other, in pixels.

        out[i, j] = |one[i] and other[j]| / |one[i] or other[j]|,   |box| = (x1 - x0 + 1) (y1 - y0 + 1)

    Args:
        one: boxes [k 4], x0 <= x1 and y0 <= y1.
        other: boxes [m 4].

    Returns:
        float64 [k m], in 0..1, on the host.

    Raises:
        ValueError: arrays that aren't [k 4], corners in the wrong order.

    >>> overlap([[0, 0, 1, 1]], [[1, 1, 2, 2], [0, 0, 1, 1]]).round(3).tolist()
    [[0.143, 1.0]]
    """
    first, second = _ordered("one", one)[:, None], _ordered("other", other)[None]
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    return shared / (_area(first) + _area(second) - shared)


def resize_boxes(boxes: ArrayLike, size: ArrayLike, new_size: ArrayLike) -> np.ndarray:
    """Resize boxes with their image: `out = floor(corner * new side / old side)`, in integers.

    Args:
        boxes: integers [k 4], x0 <= x1 and y0 <= y1, from 0.
        size: height and width of their image; or one for each box, [k 2].
        new_size: height and width after the resizing, likewise.

    Returns:
        Int [k 4], on the host.

    Raises:
        ValueError: boxes that aren't integers [k 4], corners in the wrong order or outside the image, sizes
            below 1.

    >>> resize_boxes([[10, 20, 99, 50]], (100, 200), (224, 224)).tolist()
    [[11, 44, 110, 112]]
    """
    old, new = _sides("size", size), _sides("new_size", new_size)
    corners = _within("boxes", boxes, old)
    if len(old) not in (1, len(corners)) or len(new) not in (1, len(corners)):
        raise ValueError(f"sizes are {len(old)} and {len(new)} for {len(corners)} boxes; wanted one, or one for each")
    return corners * new // old


def validated_boxes(boxes: ArrayLike | Sequence[ArrayLike], count: int, height: int, width: int) -> list[np.ndarray]:
    """Validate the boxes of `count` images, [n 4] or a sequence of [k 4]: a list of Int [k 4]."""
    if isinstance(boxes, Sequence) and not isinstance(boxes, str):
        given = list(boxes)
    else:
        given = list(np.atleast_1d(np.asarray(arguments.numeric("boxes", boxes))))
    if len(given) != count:
        raise ValueError(
            f"boxes are those of {len(given)} images, but there are {count} maps; wanted boxes [{count} 4], or a "
            "list of arrays [k 4], one for each map"
        )
    sides = _sides("maps", (height, width))
    return [
        _within(f"boxes[{place}]", np.atleast_2d(np.asarray(arguments.numeric(f"boxes[{place}]", one))), sides)
        for place, one in enumerate(given)
    ]


def _ordered(name: str, boxes: ArrayLike) -> np.ndarray:
    corners = np.asarray(arguments.numeric(name, boxes))
    if corners.ndim != 2 or corners.shape[1] != 4 or not len(corners) or corners.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} has shape {corners.shape} and dtype {corners.dtype}; wanted one or more boxes (x0, y0, x1, y1), "
            "[k 4]"
        )
    wrong = ~(corners[:, :2] <= corners[:, 2:]).all(1)
    if wrong.any():
        raise ValueError(
            f"{name} holds {corners[wrong][0].tolist()}; wanted x0 <= x1 and y0 <= y1: two corners, columns first "
            "(of a corner and a size make x0 + width - 1, y0 + height - 1)"
        )
    return corners.astype(np.int64 if corners.dtype.kind in "iu" else np.float64)


def _within(name: str, boxes: ArrayLike, sides: np.ndarray) -> np.ndarray:
    """Integer boxes, within images of those sides (x, y, x, y)."""
    corners = _ordered(name, boxes)
    if corners.dtype != np.int64:
        raise ValueError(f"{name} has dtype float; wanted integer pixels: call np.floor(boxes).astype(int)")
    wrong = ((corners < 0) | (corners > sides)).any(1)
    if wrong.any():
        raise ValueError(
            f"{name} holds {corners[wrong][0].tolist()}, outside its image of width and height "
            f"{np.broadcast_to(sides, corners.shape)[wrong][0, :2].tolist()}; wanted pixels of that image: "
            "call resize_boxes where the boxes are those of another size"
        )
    return corners


def _sides(name: str, size: ArrayLike) -> np.ndarray:
    """Height and width as (x, y, x, y), to go with boxes."""
    sides = np.atleast_2d(np.asarray(arguments.numeric(name, size)))
    if sides.ndim != 2 or sides.shape[1] != 2 or sides.dtype.kind not in "iu" or sides.min() < 1:
        raise ValueError(f"{name} is {size!r}; wanted height and width, integers of 1 or more")
    return sides[:, [1, 0, 1, 0]].astype(np.int64)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2] + 1).prod(-1)
