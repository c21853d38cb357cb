"""The optimizer, and its learning rate over a training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

__all__ = ["DEFAULTS", "Mask", "OptimizerOptions", "check", "create", "kernels", "learning_rate", "milestones", "sgd"]

# Of parameters, a tree of the same structure that says which of them are chosen.
Mask = Callable[[Any], Any]


@dataclass(frozen=True)
class OptimizerOptions:
    """Options of the optimizer."""

    optimizer: Literal["sgd", "adamw", "lamb"] = "sgd"
    """SGD with Nesterov's momentum; or AdamW or LAMB, with their papers' decay rates of the moments, 0.9 and 0.999."""
    lr: float | None = None
    """Highest learning rate, the same for all methods though their papers differ. Default: sgd 0.1, adamw and lamb
    0.001."""
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
    """For sgd an L2 penalty on all parameters; for adamw and lamb decoupled, on kernels alone (no bias, no batch
    normalization). Default: for sgd that of the method's paper, 1e-4 or 5e-4, otherwise 0.01."""
    clip_norm: float | None = None
    """Scale the gradient of an update down to this norm over all parameters, where it is larger. Default: never."""
    accumulate: int = 1
    """Steps to an update, which takes the mean of their gradients: that of a batch n times as large, but batch
    normalization and mixing act in each step's own batch."""
    ema: float | None = None
    """Test and save the average of the network over the updates so far (batch statistics included), in which weights
    fall by this factor an update, such as 0.999. Default: no average."""


# Of each optimizer: the learning rate and the weight decay unless given; None is that of the method's paper.
DEFAULTS: dict[str, tuple[float, float | None]] = {"sgd": (0.1, None), "adamw": (1e-3, 0.01), "lamb": (1e-3, 0.01)}


def check(options: OptimizerOptions) -> None:
    """Raises ValueError for options that don't suit each other."""
    if options.optimizer != "sgd" and options.momentum != OptimizerOptions.momentum:
        raise ValueError(
            f"--momentum is {options.momentum}, but --optimizer {options.optimizer} has none; leave it out."
        )
    for name in ("ema", "clip_norm"):
        if getattr(options, name) == 0:
            raise ValueError(f"--{name.replace('_', '-')} is 0; wanted more, or leave it out.")


def create(
    options: OptimizerOptions,
    rate: optax.Schedule,
    weight_decay: float,
    *,
    nesterov: bool = True,
    decayed: Mask | None = None,
    faster: tuple[float, Mask] | None = None,
) -> optax.GradientTransformation:
    """The optimizer that the options describe; `rate` is of the step, of which an update takes `options.accumulate`.

    Args:
        nesterov: the form of the momentum of SGD.
        decayed: which parameters SGD decays; None for all of them.
        faster: a factor, and which parameters have the rate times that factor.
    """
    each = options.accumulate
    of_update = rate if each == 1 else lambda count: rate(count * each)
    makers: dict[str, Callable[[], optax.GradientTransformation]] = {
        "sgd": lambda: sgd(
            of_update, momentum=options.momentum, weight_decay=weight_decay, nesterov=nesterov, decayed=decayed
        ),
        "adamw": lambda: optax.adamw(of_update, weight_decay=weight_decay, mask=kernels),
        "lamb": lambda: optax.lamb(of_update, weight_decay=weight_decay, mask=kernels),
    }
    made = makers[options.optimizer]()
    if faster is not None:  # an update is proportional to its rate, in the decay of the weights too
        made = optax.chain(made, optax.masked(optax.scale(faster[0]), faster[1]))
    if options.clip_norm is not None:  # before the decay, as the norm is that of the loss's gradient
        made = optax.chain(optax.clip_by_global_norm(options.clip_norm), made)
    return made if each == 1 else optax.MultiSteps(made, each).gradient_transformation()


def sgd(
    rate: optax.Schedule,
    *,
    momentum: float,
    weight_decay: float,
    nesterov: bool = True,
    decayed: Mask | None = None,
) -> optax.GradientTransformation:
    """SGD with momentum, in Nesterov's form or the plain one, and an L2 penalty on all parameters or some."""
    decay = optax.add_decayed_weights(weight_decay, decayed)
    return optax.chain(decay, optax.sgd(rate, momentum=momentum, nesterov=nesterov))


def kernels(params: Any) -> Any:
    """Which parameters are kernels: those with more than one axis."""
    return jax.tree.map(lambda x: x.ndim > 1, params)


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
    options: OptimizerOptions,
    milestones: tuple[int, ...],
    epochs: int,
    steps_per_epoch: int,
    extend: tuple[int, ...] = (),
    *,
    start: float = 0.0,
    end: float = 0.0,
) -> optax.Schedule:
    """The learning rate as a function of the step, for the resolved options and milestones.

    The warm-up rises from `start` and the cosine falls to `end`, as shares of the highest rate.

    The epochs of each extension have half a cosine of their own, from a tenth of the highest rate to 0; steps stay at
    the last rate.
    """
    highest = DEFAULTS[options.optimizer][0] if options.lr is None else options.lr
    warmup = options.warmup_epochs * steps_per_epoch
    if options.schedule == "cosine":
        falling = optax.cosine_decay_schedule(highest, max(epochs * steps_per_epoch - warmup, 1), alpha=end)
    else:
        drops = {epoch * steps_per_epoch - warmup: 0.1 ** milestones.count(epoch) for epoch in milestones}
        falling = optax.piecewise_constant_schedule(highest, drops)
    rising = optax.linear_schedule(start * highest, highest, warmup)
    schedule = optax.join_schedules([rising, falling], [warmup]) if warmup else falling
    if extend and options.schedule == "cosine":
        again = [optax.cosine_decay_schedule(highest / 10, more * steps_per_epoch) for more in extend]
        ends = [(epochs + sum(extend[:number])) * steps_per_epoch for number in range(len(extend))]
        schedule = optax.join_schedules([schedule, *again], ends)
    # Optax divides the count by a float, which strict promotion forbids for an integer.
    return lambda step: schedule(jnp.asarray(step, jnp.float32))
