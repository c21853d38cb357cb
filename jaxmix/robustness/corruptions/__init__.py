"""Corruptions of CIFAR-10-C, CIFAR-100-C and ImageNet-C, computed on the device."""

from jaxmix.robustness.corruptions.corrupt import corrupt
from jaxmix.robustness.corruptions.frost import photographs
from jaxmix.robustness.corruptions.severities import EXTRA, LIKE, MAIN

__all__ = ["EXTRA", "LIKE", "MAIN", "corrupt", "photographs"]
