"""What each method trains with: the type of a recipe, and one table of them for each setting."""

from recipes import cifar, core, finegrained, imagenet, mixing_sets, presets, saliency_passes, views

__all__ = ["cifar", "core", "finegrained", "imagenet", "mixing_sets", "presets", "saliency_passes", "views"]
