"""Losses and accuracy of mixed batches, one value per sample."""

from jaxmix.losses.consistency import jsd
from jaxmix.losses.decoupling import decoupled
from jaxmix.losses.mixed_labels import accuracy, cross_entropy, sigmoid_bce, softmax_bce

__all__ = ["accuracy", "cross_entropy", "decoupled", "jsd", "sigmoid_bce", "softmax_bce"]
