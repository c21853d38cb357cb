"""Blocks of a picture: which picture fills each (labels), and which block of the picture goes there (transport)."""

from jaxmix.blocks.labeling import certified, energy, label
from jaxmix.blocks.transport import transport

__all__ = ["certified", "energy", "label", "transport"]
