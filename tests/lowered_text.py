"""What a lowered program contains of the operations that can cost more than arithmetic."""

import collections
import re

import jax

# A vector of random bits, an elementwise function, a sum, a slice, a pad or a product costs what it reads and writes.
# These can cost more: loops and branches launch or wait, gathers and scatters read or write single elements.
COSTLY = ("while", "case", "sort", "top_k", "gather", "scatter", "fft", "custom_call")
OPERATION = re.compile(r"= \"?(?:stablehlo|chlo|mhlo)\.(\w+)")
BRANCHES = re.compile(r'^( *)(?:%\S+ = )?"stablehlo.case"\((%\w+)\) \(\{$')


def counts(function, platforms, *shapes):
    """How often each costly operation occurs in `function`, lowered for each platform; nothing is compiled."""
    traced = jax.jit(lambda *args: function(*args)).trace(*shapes)
    return {p: count_operations(traced.lower(lowering_platforms=(p,)).as_text()) for p in platforms}


def count_operations(text):
    found = collections.Counter(OPERATION.findall(text))
    found["top_k"] += text.count("@TopK") + text.count("mhlo.topk")
    found["case"] -= _decided(text)
    named = {"approx_top_k", "TopK", "mhlo.topk", "Sharding", "AnnotateDeviceTopology"}
    found["custom_call"] = sum(name not in named for name in re.findall(r"custom_call @([\w.]+)", text))
    return {name: found[name] for name in COSTLY if found[name]}


def _decided(text):
    """The number of branches that are no choice: of the platform, or with a single side."""
    lines, known = text.splitlines(), set(re.findall(r"(%\w+) = stablehlo.constant", text))
    decided = 0
    for number, line in enumerate(lines):
        if branches := BRANCHES.match(line):
            indent, operand = branches.groups()
            ends = (rest for rest in lines[number + 1 :] if rest.startswith((f"{indent}}}, {{", f"{indent}}})")))
            single = next(ends).startswith(f"{indent}}})")
            decided += single or operand in known
    return decided
