"""Parse and validate the arguments of the methods; each error says what came and what was wanted."""

from jaxmix.arguments.batches import Batch, blocks, color_scale, images, inputs, maps, partners, pixels, ranked
from jaxmix.arguments.calls import key, method
from jaxmix.arguments.labels import class_ids, labelled, logits, one_hot, to_int32
from jaxmix.arguments.pixel_values import keep_nan, unit
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
    "keep_nan",
    "key",
    "labelled",
    "logits",
    "maps",
    "method",
    "number",
    "numbers",
    "one_hot",
    "partners",
    "pixels",
    "ranked",
    "some",
    "to_int32",
    "unit",
]
