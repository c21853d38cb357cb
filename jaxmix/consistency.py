"""How far the predictions for several views of one picture disagree."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def jsd(logits: Float[Array, "v b k"]) -> Float[Array, "b"]:
    """Jensen-Shannon divergence of the softmaxes of v views, for each picture; AugMix adds 12 times its mean.

        jsd[b] = mean over v of sum over k of p[v] (log p[v] - log M),   p = softmax(logits),   M = max(mean of p, 1e-7)

    0 where the views agree, at most ln v, whatever their order. The gradient flows through p and through M. Both are
    finite however far apart the logits are. Where the mean probability is below 1e-7 the clipping takes up to 4e-8 per
    class off.

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
    if logits.ndim != 3 or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"logits have shape {logits.shape} and dtype {logits.dtype}; wanted floating [v b k]: stack the logits "
            "[b k] of the views, jnp.stack([clean, first, second])"
        )
    if logits.shape[0] < 2:
        raise ValueError(f"logits have shape {logits.shape}, {logits.shape[0]} views; wanted [v b k] of two or more")
    logs = jax.nn.log_softmax(logits.astype(jnp.float32))
    probabilities = jnp.exp(logs)
    mixture = jnp.maximum(probabilities.mean(0, keepdims=True), 1e-7)
    return (probabilities * (logs - jnp.log(mixture))).sum(-1).mean(0)
