"""SGD and its learning rate over a training."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import optax

from state import COUNTED

__all__ = ["OptimizerOptions", "learning_rate", "milestones", "sgd"]


@dataclass(frozen=True)
class OptimizerOptions:
    """Options of SGD."""

    lr: float = 0.1
    """Highest learning rate. The same for all methods unless given, though their papers differ."""
    schedule: Literal["cosine", "step"] = "cosine"
    """How the learning rate falls: along half a cosine to 0, or tenfold at every milestone."""
    milestones: tuple[int, ...] | None = None
    """Epochs after which --schedule step divides the learning rate by 10 (one named twice divides twice). Default: 1/2
    and 3/4 of them."""
    warmup_epochs: int = 0
    """Epochs in which the learning rate first rises linearly from 0."""
    momentum: float = 0.9
    """Of SGD, in Nesterov's form."""
    weight_decay: float | None = None
    """L2 penalty on all parameters. Default: that of the method's paper, 1e-4 or 5e-4."""


def sgd(rate: optax.Schedule, *, momentum: float, weight_decay: float) -> optax.GradientTransformation:
    """SGD with Nesterov's momentum and an L2 penalty on all parameters."""
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=momentum, nesterov=True))


def milestones(
    given: tuple[int, ...] | None, epochs: int, warmup_epochs: int, shape: Literal["cosine", "step"]
) -> tuple[int, ...]:
    """Epochs after which the learning rate drops: 1/2 and 3/4 of all unless given.

    Raises ValueError for one in the warm-up, if the rate is to drop there.
    """
    # Of one epoch there is no half. Of two both are 1, and the rate falls as far as in a longer training.
    default = tuple(milestone for milestone in (epochs // 2, epochs * 3 // 4) if milestone > 0)
    found = default if given is None else given
    early = [milestone for milestone in found if milestone <= warmup_epochs]
    if shape == "step" and early:
        raise ValueError(
            f"--milestones has {early[0]}, but the warm-up ends after epoch {warmup_epochs}; "
            f"wanted {warmup_epochs + 1} or more (all are {', '.join(map(str, found))})."
        )
    return found


def learning_rate(
    options: OptimizerOptions, milestones: tuple[int, ...], epochs: int, steps_per_epoch: int
) -> optax.Schedule:
    """The learning rate as a function of the step, for the resolved milestones.

    Raises ValueError for an epoch beyond the steps that are counted.
    """
    named = [("epochs", epochs), ("warmup-epochs", options.warmup_epochs)]
    named += [("milestones", epoch) for epoch in milestones if options.schedule == "step"]
    for name, epoch in named:
        if epoch * steps_per_epoch > COUNTED:
            raise ValueError(f"--{name} is {epoch}: {epoch * steps_per_epoch:,} steps; wanted {COUNTED:,} or less.")
    warmup = options.warmup_epochs * steps_per_epoch
    if options.schedule == "cosine":
        falling = optax.cosine_decay_schedule(options.lr, max(epochs * steps_per_epoch - warmup, 1))
    else:
        drops = {epoch * steps_per_epoch - warmup: 0.1 ** milestones.count(epoch) for epoch in milestones}
        falling = optax.piecewise_constant_schedule(options.lr, drops)
    rising = optax.linear_schedule(0.0, options.lr, warmup)
    schedule = optax.join_schedules([rising, falling], [warmup]) if warmup else falling
    # Optax divides the count by a float, which strict promotion forbids for an integer.
    return lambda step: schedule(jnp.asarray(step, jnp.float32))
