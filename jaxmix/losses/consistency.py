"""Consistency of the predictions for several views of one image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxmix import arguments

__all__ = ["jsd"]


def jsd(logits: Float[Array, "v b k"]) -> Float[Array, "b"]:
    """Compute the Jensen-Shannon divergence of the softmaxes of v views, per sample; AugMix adds 12 times its mean.

        jsd[b] = mean over v of sum over k of p[v] (log p[v] - log M),   p = softmax(logits),   M = max(mean of p, 1e-7)

    0 where the views agree, at most ln v, whatever their order. The gradient flows through p and through M. Both are
    finite however far apart the logits are; a class that is masked, with logits of -inf, adds nothing. Where the mean
    probability is below 1e-7 the clipping takes up to 4e-8 per class off.

    Args:
        logits: [v b k], those of each view, two views or more; any floating dtype, computed in float32.

    Returns:
        [b], in float32.

    Raises:
        ValueError: logits that aren't floating [v b k], or of fewer than two views.

    Reference: Hendrycks et al., AugMix, ICLR 2020. Differs from the authors' code, whose gradient is NaN once a
    probability underflows to 0 (a gap of about 104 between logits).

    >>> p = jnp.array([[[0.7, 0.2, 0.1]], [[0.5, 0.3, 0.2]], [[0.6, 0.1, 0.3]]])
    >>> jsd(jnp.log(p)).round(4).tolist()
    [0.04050000011920929]
    """
    views = arguments.logits(
        logits, "v b k", ": stack the logits [b k] of the views, jnp.stack([clean, first, second])"
    )[0]
    if views < 2:
        raise ValueError(f"logits have shape {logits.shape}, {views} views; wanted [v b k] of two or more")
    logs = jax.nn.log_softmax(logits.astype(jnp.float32))
    probabilities = jnp.exp(logs)
    mixture = jnp.maximum(probabilities.mean(0, keepdims=True), 1e-7)
    possible = logs > -jnp.inf
    ratios = jnp.where(possible, logs, 0.0) - jnp.log(mixture)
    return jnp.where(possible, probabilities * ratios, 0.0).sum(-1).mean(0)
