"""How many random words of 32 bits a program draws: random bits can cost more than blending."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["words_a_sample", "words_in"]


def words_in(jaxpr: Any) -> int:
    """Words that a program draws: where one of several branches runs, those of the costliest."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "random_bits":
            total += math.prod(equation.params["shape"]) * equation.params["bit_width"] // 32
        elif equation.params.get("name") == "_ciphered":  # of jaxmix.threefry
            total += sum(out.aval.size for out in equation.outvars)
        leaves = jax.tree.leaves(list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns"))
        inner = [words_in(leaf) for leaf in leaves if hasattr(leaf, "eqns")]
        total += (max if equation.primitive.name == "cond" else sum)(inner or [0])
    return total


def words_a_sample(method: Callable[..., Any], side: int = 16, **options: Any) -> float:
    """What eight more samples cost, per sample."""
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)

    def words(samples: int) -> int:
        x = jax.ShapeDtypeStruct((samples, side, side, 3), jnp.float32)
        return words_in(jax.make_jaxpr(lambda key, x: method(key, x, **options))(key, x).jaxpr)

    return (words(16) - words(8)) / 8
