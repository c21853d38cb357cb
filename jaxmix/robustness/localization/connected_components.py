"""Bounding boxes of the connected components of a mask, on the host, equal to those of OpenCV's contours.

A region consists of pixels that touch by a side or a corner. A hole in it consists of other pixels that touch by a
side, and has a contour of its own. A box is (x0, y0, x1, y1): the first column and row, and the column and row one
beyond the last, but at most the last of the image.
"""

from collections.abc import Callable

import numpy as np

from jaxmix import arguments

__all__ = ["all_regions", "largest_region"]

_TOUCHING = np.ones((3, 3), bool)
_SIDES = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def all_regions(mask: np.ndarray) -> np.ndarray:
    """Boxes of all regions of a mask, and of all holes with their boundary pixels: the choice of MaxBoxAccV2.

    Args:
        mask: bool [h w], on the host.

    Returns:
        Int [r 4]; one box (0, 0, 0, 0) where the mask is empty.

    Raises:
        ValueError: a mask that isn't bool [h w].

    >>> ring = np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool), 2)
    >>> all_regions(ring).tolist()
    [[2, 2, 5, 5], [2, 2, 5, 5]]
    """
    return _boxes(mask, _all_regions)


def largest_region(mask: np.ndarray) -> np.ndarray:
    """Box of the region whose contour encloses the largest area, holes included: the choice of MaxBoxAcc and of CAM.

    The contour runs through the centers of the outermost pixels, so that a region one pixel thin has area 0. Of equals
    the last one is taken, in the order of their first pixels, row by row.

    Args:
        mask: bool [h w], on the host.

    Returns:
        Int [1 4]; the box (0, 0, 0, 0) where the mask is empty.

    Raises:
        ValueError: a mask that isn't bool [h w].

    >>> largest_region(np.array([[1, 1, 0, 0, 0], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)).tolist()
    [[0, 0, 2, 2]]
    """
    return _boxes(mask, _largest_region)


def _boxes(mask: np.ndarray, find: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    mask = np.asarray(arguments.numeric("mask", mask))
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(f"mask has shape {mask.shape} and dtype {mask.dtype}; wanted bool [h w]: call map > threshold")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return np.zeros((1, 4), int)
    # Cropping to the mask changes nothing, and regions above a high threshold are small.
    top, left = rows[0], columns[0]
    found = find(mask[top : rows[-1] + 1, left : columns[-1] + 1]) + np.array([left, top, left, top])
    height, width = mask.shape
    return np.minimum(found + np.array([0, 0, 1, 1]), np.array([width, height, width, height]) - 1)


def _all_regions(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    outside, _ = _labeled(~mask, _SIDES)
    others = _extents(outside)
    inner = (others[:, :2] > 0).all(1) & (others[:, 2] < width - 1) & (others[:, 3] < height - 1)
    regions, _ = _labeled(mask, _TOUCHING)
    return np.concatenate([_extents(regions), others[inner] + np.array([-1, -1, 1, 1])])


def _largest_region(mask: np.ndarray) -> np.ndarray:
    regions, count = _labeled(mask, _TOUCHING)
    if count == 1:
        return _extents(regions)
    outside, _ = _labeled(np.pad(~mask, 1, constant_values=True), _SIDES)
    regions, count = _labeled(outside[1:-1, 1:-1] != outside[0, 0], _TOUCHING)
    # The contour encloses a unit square between four centers, and half of one between three.
    corners = np.stack([regions[:-1, :-1], regions[:-1, 1:], regions[1:, :-1], regions[1:, 1:]]).reshape(4, -1)
    enclosed = np.array([0, 0, 0, 0.5, 1])[(corners > 0).sum(0)]
    area = np.bincount(corners.max(0), enclosed, count + 1)[1:]
    last = count - 1 - area[::-1].argmax()
    return _extents(regions)[last : last + 1]


def _extents(regions: np.ndarray) -> np.ndarray:
    """First and last column and row of each labeled region, as [r 4]."""
    found = _slices(regions)
    corners = [(across.start, down.start, across.stop - 1, down.stop - 1) for down, across in found]
    return np.array(corners, int).reshape(-1, 4)


def _labeled(mask: np.ndarray, neighbors: np.ndarray) -> tuple[np.ndarray, int]:
    """Label of each pixel's region, 0 outside, and the number of regions."""
    from scipy import ndimage  # here, since it takes a third of a second and is rarely needed

    return ndimage.label(mask, neighbors)


def _slices(regions: np.ndarray) -> list[tuple[slice, slice]]:
    """Rows and columns of each region."""
    from scipy import ndimage

    return ndimage.find_objects(regions)
