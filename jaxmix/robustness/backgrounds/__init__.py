"""Noise or Signal (Xiao et al., 2021): images with their foreground or background removed or exchanged."""

from jaxmix.robustness.backgrounds.background_only import only_background_black, only_background_tiled
from jaxmix.robustness.backgrounds.challenge import accuracy, challenge_accuracy, fooling_rates, gap, vulnerable
from jaxmix.robustness.backgrounds.compositing import challenge_images, mixed, no_foreground, only_foreground
from jaxmix.robustness.backgrounds.donors import next_class, random_class, same_class

__all__ = [
    "accuracy",
    "challenge_accuracy",
    "challenge_images",
    "fooling_rates",
    "gap",
    "mixed",
    "next_class",
    "no_foreground",
    "only_background_black",
    "only_background_tiled",
    "only_foreground",
    "random_class",
    "same_class",
    "vulnerable",
]
