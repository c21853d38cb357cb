"""The phases of benchmarks/accelerator.py, in the order in which items of equal rank are measured.

A phase is a module with `items(context)`, and with `COLUMNS`, which of its results the table shows, and how.
"""

from types import ModuleType

from phases import compile, copy, corruptions, guided, learn, mix, policies, sanity, train

__all__ = ["PHASES"]

PHASES: dict[str, ModuleType] = {
    "copy": copy,
    "mix": mix,
    "policies": policies,
    "sanity": sanity,
    "train": train,
    "guided": guided,
    "corruptions": corruptions,
    "compile": compile,
    "learn": learn,
}
