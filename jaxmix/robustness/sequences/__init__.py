"""Sequences of perturbed images as in CIFAR-10-P and ImageNet-P, computed on the device."""

from jaxmix.robustness.sequences.constants import EXTRA, MAIN, NOISE, names
from jaxmix.robustness.sequences.perturb import perturb

__all__ = ["EXTRA", "MAIN", "NOISE", "names", "perturb"]
