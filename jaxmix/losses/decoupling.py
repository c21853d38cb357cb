"""The decoupled mixup loss: each class of a mixed label is trained without its competitors as well."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxmix import arguments
from jaxmix.losses.mixed_labels import cross_entropy
from jaxmix.mix import Mix
from jaxmix.sharding import sharded_like

__all__ = ["decoupled"]


def decoupled(
    logits: Float[Array, "b k"],
    labels: ArrayLike,
    mix: Mix | None = None,
    *,
    eta: ArrayLike = 0.1,
    both: bool = False,
    label_smoothing: ArrayLike = 0.0,
) -> Float[Array, "b"]:
    """Compute the cross-entropy of the mixed label, plus that of its classes without each other.

        loss[b] = cross-entropy + eta sum over s of sqrt(w[s]) (-log q[s]),   over slots that weigh less than another,
        q[s] = softmax of the logits but for those of the other slots' classes, at the class of s

    The softmax lets the class of the larger share suppress that of the smaller; without it in the denominator, what is
    seen of the smaller one counts by itself. A slot adds nothing where the mix has no other class of a weight above 0,
    and for two slots of equal weight the loss is cross-entropy. Any number of slots, each sample by itself.

    Args:
        logits: [b k], any floating dtype; computed in float32. A class that is masked, with a logit of -inf, adds
            nothing unless it is a label.
        labels: class ids Int[b] in 0 to k - 1 (others give NaN).
        mix: from any method; None for labels that aren't mixed, whose loss is cross-entropy.
        eta: weight of the decoupled terms, 0 or more; may be traced.
        both: add the terms of all slots, the heaviest too.
        label_smoothing: of the cross-entropy, see `jaxmix.cross_entropy`.

    Raises:
        ValueError: logits or labels of another rank or size, or of one class; soft labels, of which no class can be
            left out.

    The default, terms of the smaller share only, is the shipped configuration of OpenMixup (CIFAR-100, with eta 0.1,
    by CutMix); the paper's formula, which could not be checked, is said to have both. The larger share needs no help:
    cross-entropy trains it already.

    Differs from OpenMixup's code: that takes the sides in the order of the class ids of the first sample, so that in
    half of the batches eta goes to the wrong one; and it has one share for the batch, of which 1/2 is cross-entropy
    with `both` too.

    Reference: Zicheng Liu, Siyuan Li, Ge Wang, et al. Harnessing Hard Mixed Samples with Decoupled Regularizer.
    NeurIPS 2023 (arXiv 2203.10761).

    >>> from jaxmix import pair
    >>> mix = pair(jnp.array([1, 0]), jnp.array([0.7, 0.7])[:, None, None])
    >>> logits = jnp.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    >>> [round(float(decoupled(logits, jnp.array([0, 1]), mix, both=both)[0]), 4) for both in (False, True)]
    [1.1146, 1.1408]
    """
    classes = arguments.logits(logits)[1]
    ids = arguments.numeric("labels", labels)
    if ids.ndim != 1 or not jnp.issubdtype(ids.dtype, jnp.integer):
        raise ValueError(
            f"labels have shape {ids.shape} and dtype {ids.dtype}; wanted integer class ids [b], as of soft labels "
            "no class can be left out: use jaxmix.cross_entropy"
        )
    if not isinstance(both, bool):
        raise ValueError(f"both is {both!r}; wanted True or False")
    plain = cross_entropy(logits, labels, mix, label_smoothing=label_smoothing)
    factor = arguments.number("eta", eta)
    if mix is None:
        return plain
    own = arguments.to_int32(ids)[:, None] == jnp.arange(classes, dtype=jnp.int32)[None]
    return plain + factor * _terms(logits.astype(jnp.float32), own, mix, both)


@sharded_like("logits")
def _terms(logits: Float[Array, "b k"], own: Bool[Array, "b k"], mix: Mix, both: bool) -> Float[Array, "b"]:
    """The decoupled terms, each times the square root of its weight."""
    slots = [own if slot == 0 else own[mix.source[:, slot]] for slot in range(mix.source.shape[1])]
    weight = jax.lax.stop_gradient(mix.weight)
    present = jnp.zeros_like(own)
    for slot, here in enumerate(slots):
        present |= here & (weight[:, slot, None] > 0)
    total = jnp.zeros(len(logits), jnp.float32)
    for slot, here in enumerate(slots):
        others = present & ~here
        chosen = others.any(1) & (weight[:, slot] > 0)
        if not both:
            chosen &= weight[:, slot] < weight.max(1)
        rest = jax.nn.logsumexp(jnp.where(others, -jnp.inf, logits), 1)
        at = jnp.where(here & chosen[:, None], logits, 0).sum(1)
        total += jnp.where(chosen, jnp.sqrt(weight[:, slot]) * (jnp.where(chosen, rest, 0) - at), 0)
    return total
