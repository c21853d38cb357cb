"""The photographs of the figures, all of scikit-image, and free: LICENSES.md says of each whose it is."""

import numpy as np
import skimage.data
from PIL import Image

__all__ = ["NAMES", "batch"]

# Name in the figures, name in scikit-image, and the square of it that is shown: left, top, side.
_CROPS = {
    "cat": ("chelsea", (75, 0, 300)),
    "astronaut": ("astronaut", (40, 0, 400)),
    "coffee": ("coffee", (100, 0, 400)),
}
NAMES = tuple(_CROPS)


def batch(side: int) -> np.ndarray:
    """Crop and resize the photographs to squares, uint8 [3 side side 3]."""
    images = []
    for name, (left, top, size) in _CROPS.values():
        image = Image.fromarray(getattr(skimage.data, name)())
        box = (left, top, left + size, top + size)
        images.append(np.asarray(image.resize((side, side), Image.Resampling.LANCZOS, box)))
    return np.stack(images)
