"""Names of the perturbations, and the authors' constants.

Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations. ICLR 2019.
"""

from typing import Any

__all__ = ["CONSTANTS", "EXTRA", "MAIN", "NOISE", "names"]

# The ten of the paper. The evaluation script of CIFAR-10-P has spatter for snow.
MAIN = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
EXTRA = ("speckle_noise", "gaussian_blur", "shear")
# Frames that have no order in time.
NOISE = ("gaussian_noise", "shot_noise", "speckle_noise")

_STEPS = range(31)
_MIDDLE = tuple(i - 15 for i in _STEPS)

_CIFAR: dict[str, Any] = {
    "gaussian_noise": (0.02, 0.04, 0.06),  # standard deviation for difficulties 1 to 3
    "shot_noise": (700, 400, 200),  # photons of a white pixel
    "speckle_noise": (0.05, 0.07, 0.1),
    "brightness": tuple(0.015 * i for i in _MIDDLE),  # added to the value
    "translate": tuple(range(-7, 9)),  # pixels to the right
    "rotate": _MIDDLE,  # degrees
    "scale": tuple((70 + 2 * i) / 100 for i in _STEPS),
    "shear": _MIDDLE,  # degrees
    "zoom_blur": tuple(1 + 0.004 * i for i in _STEPS[1:]),
    "tilt": tuple(0.75 * i for i in _MIDDLE),  # degrees about both axes
    "gaussian_blur": (tuple(0.3 + 0.015 * i for i in _STEPS), 7.0),  # sigma in pixels, and where it is cut
    "motion_blur": (6, 1.8, tuple(9.0 * (i - 20) for i in range(21))),  # radius, sigma, degrees
    # Mean and deviation of flakes, their zoom and threshold; radius and sigma of motion; the image's share; degrees.
    "snow": (0.05, 0.3, 2, 0.5, 10, 2, 0.85, tuple(4.0 * i - 150 for i in _STEPS)),
}
_IMAGENET: dict[str, Any] = {
    "gaussian_noise": (0.03, 0.05, 0.08),
    "shot_noise": (300, 120, 60),
    "speckle_noise": (0.05, 0.1, 0.15),
    "brightness": tuple(0.02 * i for i in _MIDDLE),
    "translate": tuple(range(-20, 21)),
    "rotate": _MIDDLE,
    "scale": tuple((40 + 2.5 * i) / 100 for i in _STEPS),
    "zoom_blur": _CIFAR["zoom_blur"],
    "tilt": tuple(1.0 * i for i in _MIDDLE),
    "gaussian_blur": (tuple(0.25 + 0.035 * i for i in _STEPS), 6.0),
    "motion_blur": (10, 3, tuple(4.0 * (i - 30) for i in _STEPS)),
}
CONSTANTS = {"cifar": _CIFAR, "imagenet": _IMAGENET}


def names(constants: str) -> tuple[str, ...]:
    """The perturbations that have constants "cifar" or "imagenet", those of `MAIN` first.

    Raises:
        ValueError: other constants.

    >>> len(names("cifar")), "snow" in names("imagenet")
    (13, False)
    """
    if not isinstance(constants, str) or constants not in CONSTANTS:
        raise ValueError(f'constants are {constants!r}; wanted "cifar" or "imagenet"')
    return tuple(name for name in (*MAIN, *EXTRA) if name in CONSTANTS[constants])
