"""Names of the corruptions, and the authors' constants for severities 1 to 5.

Reference: Dan Hendrycks, Thomas Dietterich. Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations. ICLR 2019. CIFAR-C's constants are for images of 32 x 32, ImageNet-C's for 224 x 224. C-bar's: Eric
Mintun, Alexander Kirillov, Saining Xie. On Interaction Between Augmentations and Corruptions in Natural Corruption
Robustness. NeurIPS 2021.
"""

from typing import Any

__all__ = ["CBAR", "CBAR_CONSTANTS", "CONSTANTS", "EXTRA", "LIKE", "MAIN", "SIDE", "constant"]

MAIN = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
# Substitutes where the authors' corruption needs photographs, or OpenCV's rendering of water.
LIKE = ("frost_like", "spatter_like")

_CIFAR: dict[str, tuple[Any, ...]] = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation
    "shot_noise": (500, 250, 100, 75, 50),  # photons of a white pixel
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),  # share of the values
    "speckle_noise": (0.06, 0.10, 0.12, 0.16, 0.20),  # standard deviation
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1),  # sigma, pixels
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),  # radius, sigma of its rim
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),  # sigma, reach, rounds
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),  # radius, sigma
    "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),  # end and step of the factors
    "snow": (  # mean and deviation of flakes, their zoom and threshold; radius and sigma of motion; the image's share
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),  # weights of the image and of the frost
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),  # strength, decay of detail
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added to the value
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor
    "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),  # factor, addition
    "jpeg_compression": (80, 65, 58, 50, 40),  # quality
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),  # share of a side
    "elastic_transform": (  # amplitude, sigma, jitter, each over the side
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    ),
    "spatter": (  # mean and deviation, sigma, threshold, strength, whether it is mud
        (0.62, 0.1, 0.7, 0.7, 0.5, False),
        (0.65, 0.1, 0.8, 0.7, 0.5, False),
        (0.65, 0.3, 1, 0.69, 0.5, False),
        (0.65, 0.1, 0.7, 0.69, 0.6, True),
        (0.65, 0.1, 0.5, 0.68, 0.6, True),
    ),
}
_IMAGENET: dict[str, tuple[Any, ...]] = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
    "gaussian_blur": (1, 2, 3, 4, 6),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    "jpeg_compression": (25, 18, 15, 10, 7),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "elastic_transform": ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    ),
}
CONSTANTS = {"cifar": _CIFAR, "imagenet": _IMAGENET}
# The side that elastic_transform's constants are shares of: ImageNet-C's is 244, not 224.
SIDE = {"cifar": 32, "imagenet": 244}


# C-bar, whose constants run from 0 to 10, 10 being the strongest; the names are the authors', as they spell them.
CBAR_CONSTANTS: dict[str, dict[str, tuple[float, ...]]] = {
    "cifar": {
        "blue_noise_sample": (0.7, 1.4, 2.1, 3.5, 4.2),
        "brownish_noise": (2.5, 4, 5.5, 6.5, 7),
        "checkerboard_cutout": (1, 2, 3, 4, 5),
        "inverse_sparkles": (1, 1.5, 2.5, 4.5, 5),
        "pinch_and_twirl": (5.5, 6, 6.5, 8.5, 10),
        "ripple": (5.5, 6, 6.5, 7.5, 8),
        "sparkles": (0.7, 3.5, 5.6, 6.3, 7),
        "circular_motion_blur": (2.8, 3.6, 4.4, 5.2, 6),
        "lines": (0.5, 1, 1.5, 2, 2.5),
        "transverse_chromatic_abberation": (1, 2, 5, 9, 10),
    },
    "imagenet": {
        "blue_noise_sample": (0.8, 1.6, 2.4, 4, 5.6),
        "brownish_noise": (1, 2, 3, 4, 5),
        "caustic_refraction": (2.35, 3.2, 4.9, 6.6, 9.15),
        "checkerboard_cutout": (2, 3, 4, 5, 6),
        "cocentric_sine_waves": (3, 5, 8, 9, 10),
        "inverse_sparkles": (1, 2, 4, 9, 10),
        "perlin_noise": (4.6, 5.2, 5.8, 7.6, 8.8),
        "plasma_noise": (4.75, 7, 8.5, 9.25, 10),
        "single_frequency_greyscale": (1, 1.5, 2, 4.5, 5),
        "sparkles": (1, 2, 3, 5, 6),
    },
}
# The ten corruptions of CIFAR-10-C-bar and the ten of ImageNet-C-bar.
CBAR: dict[str, tuple[str, ...]] = {name: tuple(table) for name, table in CBAR_CONSTANTS.items()}


def constant(name: str, severity: int, constants: str) -> Any:
    """The authors' constant of a corruption at a severity: a value, or a tuple of them."""
    table = CBAR_CONSTANTS if name in CBAR[constants] else CONSTANTS
    return table[constants][name.removesuffix("_like")][severity - 1]
