"""Blocks of an image: which of two images fills each (labels), and which of its blocks goes there (transport)."""

from jaxmix.blocks.labeling import certified, energy, label
from jaxmix.blocks.transport import transport

__all__ = ["certified", "energy", "label", "transport"]
