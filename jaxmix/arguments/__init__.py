"""Parse and validate the arguments of the methods; each error says what came and what was wanted."""

from jaxmix.arguments.batches import Batch, blocks, color_scale, images, inputs, maps, partners, pixels, ranked
from jaxmix.arguments.labels import class_ids
from jaxmix.arguments.pixel_values import unit
from jaxmix.arguments.scalars import count, interval, number, numbers, some
from jaxmix.arguments.tracing import concrete

__all__ = [
    "Batch",
    "blocks",
    "class_ids",
    "color_scale",
    "concrete",
    "count",
    "images",
    "inputs",
    "interval",
    "maps",
    "number",
    "numbers",
    "partners",
    "pixels",
    "ranked",
    "some",
    "unit",
]
