"""Saliency maps [b h w] from input gradients, features or pixels.

Nothing here calls a network by itself: arrays arrive, or functions that call it.
"""

from jaxmix.saliency.class_activation import cam, grad_cam
from jaxmix.saliency.fine_grained import fine_grained
from jaxmix.saliency.gradients import input_gradient, mean_abs, root_mean_square
from jaxmix.saliency.normalization import flat_unless_finite, normalize, peak, percentage
from jaxmix.saliency.smoothing import smooth
from jaxmix.saliency.spectral_residual import spectral_residual

__all__ = [
    "cam",
    "fine_grained",
    "flat_unless_finite",
    "grad_cam",
    "input_gradient",
    "mean_abs",
    "normalize",
    "peak",
    "percentage",
    "root_mean_square",
    "smooth",
    "spectral_residual",
]
