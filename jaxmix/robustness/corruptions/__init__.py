"""Corruptions of CIFAR-10-C, CIFAR-100-C, ImageNet-C and both C-bar, computed on the device."""

from jaxmix.robustness.corruptions.corrupt import corrupt
from jaxmix.robustness.corruptions.frost import photographs
from jaxmix.robustness.corruptions.severities import CBAR, EXTRA, LIKE, MAIN

__all__ = ["CBAR", "EXTRA", "LIKE", "MAIN", "corrupt", "photographs"]
