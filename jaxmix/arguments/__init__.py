"""Parse and validate the arguments of the methods; each error says what came and what was wanted."""

from jaxmix.arguments.annotations import annotated
from jaxmix.arguments.batches import (
    Batch,
    blocks,
    color_scale,
    following,
    images,
    inputs,
    maps,
    partners,
    pixels,
    ranked,
)
from jaxmix.arguments.calls import key, method
from jaxmix.arguments.labels import class_ids, logits, one_hot, to_int32
from jaxmix.arguments.pixel_values import nan_outside, shares, unit
from jaxmix.arguments.scalars import count, interval, number, numbers, some
from jaxmix.arguments.tracing import concrete, numeric, pure_calls

__all__ = [
    "Batch",
    "annotated",
    "blocks",
    "class_ids",
    "color_scale",
    "concrete",
    "count",
    "following",
    "images",
    "inputs",
    "interval",
    "key",
    "logits",
    "maps",
    "method",
    "nan_outside",
    "number",
    "numbers",
    "numeric",
    "one_hot",
    "partners",
    "pixels",
    "pure_calls",
    "ranked",
    "shares",
    "some",
    "to_int32",
    "unit",
]
