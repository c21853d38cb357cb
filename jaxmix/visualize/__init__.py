"""Figures of mixed batches: images, partners, masks, labels and maps. Needs Pillow."""

from jaxmix.visualize.contact_sheets import contact_sheet
from jaxmix.visualize.method_sheets import Row, method_sheet
from jaxmix.visualize.overlays import overlay

__all__ = ["Row", "contact_sheet", "method_sheet", "overlay"]
