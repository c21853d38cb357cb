"""What a checkpoint notes of each array, to tell later that it is as it was written."""

import json
import zlib
from typing import Any

import jax
import numpy as np

__all__ = ["crc32", "crc32_of_json", "form", "form_of", "named", "signed"]


def named(state: Any) -> dict[str, Any]:
    """The leaves by their path: {"params.stem.kernel": ...}."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def signed(step: int, leaves: dict[str, Any]) -> dict[str, Any]:
    """Shape, dtype and CRC-32 of each leaf, and the CRC-32 of that list."""
    content = {"step": step, "leaves": {name: form(leaf) | {"crc32": crc32(leaf)} for name, leaf in leaves.items()}}
    return {"signed": content, "crc32": crc32_of_json(content)}


def form(leaf: Any) -> dict[str, Any]:
    """The shape and dtype of a leaf, as JSON holds them; nothing for no leaf."""
    return {} if leaf is None else {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def form_of(saved: dict[str, Any], name: str) -> dict[str, Any]:
    """The shape and dtype that a list of checksums has of a leaf."""
    return {key: value for key, value in saved.get(name, {}).items() if key != "crc32"}


def crc32(leaf: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)


def crc32_of_json(content: Any) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
