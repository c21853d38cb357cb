"""Pretrained weights: torchvision's and timm's files in and out."""

from .conversion import load, to_torchvision
from .files import read, write

__all__ = ["load", "read", "to_torchvision", "write"]
