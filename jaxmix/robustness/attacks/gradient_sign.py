"""FGSM and PGD: gradient ascent on the loss of a network, within epsilon of the images.

An attack takes a loss, a function from images [b h w c] in 0..1 to losses [b], with the labels in it:

    def loss(x):  # the network's own normalization is part of it, and batch statistics are not
        return jaxmix.cross_entropy(network((x - mean) / std), labels)

The result are images in 0..1, without a gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.robustness.attacks.threat_model import Norm, ThreatModel

__all__ = ["Loss", "ascend", "fgsm", "pgd"]

Loss = Callable[[Array], Float[Array, "b"]]


@arguments.annotated
def fgsm(loss: Loss, images: arguments.Batch, epsilon: ArrayLike) -> jax.Array:
    """Fast gradient sign method: one step of full length, each pixel up or down.

        x' = clip(x + epsilon sign(d loss / dx), 0, 1),   sign(0) = 0

    Args:
        loss: from images [b h w c] in 0..1, float32, to [b]; one loss per image, no mean.
        images: [b h w c], uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized.
        epsilon: largest change of a pixel, in units of 0..1 for uint8 too (8 levels: 8 / 255); may be traced.

    Returns:
        Images of the same shape and dtype, within epsilon of `images` and in their range; in uint8 the change is an
        integer number of levels. A pixel is unchanged where the gradient is NaN.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; epsilon out of
            0..1; a loss that doesn't give [b].

    Reference: Ian J. Goodfellow, Jonathon Shlens, Christian Szegedy. Explaining and Harnessing Adversarial Examples.
    ICLR 2015.

    >>> fgsm(lambda x: (x**2).sum((1, 2, 3)), jnp.array([0.25, 0.0]).reshape(1, 1, 2, 1), 0.5).ravel().tolist()
    [0.75, 0.0]
    """
    model = ThreatModel(images, epsilon, "inf")
    _, gradient = _value_and_gradient(loss, model.clean)
    return model.images(model.step(model.clean, gradient, model.epsilon))


@arguments.annotated
def pgd(
    key: jax.Array,
    loss: Loss,
    images: arguments.Batch,
    epsilon: ArrayLike,
    *,
    step: ArrayLike,
    steps: int,
    norm: Norm = "inf",
    restarts: int = 1,
    random_start: bool = True,
    keep_best: bool = True,
) -> jax.Array:
    """Projected gradient descent: many short steps, projected onto the ball around the image after each.

        x <- clip(ball(x + step d), 0, 1),   d = sign(g) or g / |g|_2,   g = d loss / dx,   |x - images| <= epsilon

    Of all points evaluated, in all restarts, that of the highest loss is kept, for each image separately. The image
    itself and one step of length epsilon from it (with norm "inf" that is FGSM's) are among them, so that no image has
    a lower loss than with FGSM. That takes two gradients more.

    Args:
        key: PRNG key, for the random starts.
        loss: as in `fgsm`. With cross-entropy a higher loss may still be a right prediction, if three classes or more
            are close; with the margin (highest other logit minus the label's) it can't.
        images: as in `fgsm`.
        epsilon: largest change of a pixel, 0 to 1, or with norm "2" of an image (square root of the sum of the squares
            of all its pixels and channels), 0 or more; may be traced.
        step: length of a step in the same norm, 0 or more; may be traced.
        steps: number of steps, static. The paper: step 2 / 255 and 7 or 20 steps for epsilon 8 / 255.
        norm: "inf" or "2".
        restarts: number of starts, static.
        random_start: start at a uniform sample of the ball, clipped to 0..1; False: at the image.
        keep_best: False takes the last point of each restart instead, and of those the one of highest loss.

    Returns:
        Images of the same shape and dtype as `images`, within epsilon of them (to the rounding of the dtype) and in
        their range. In uint8 each point is evaluated in integer levels, rounded towards `images`: steps of less than a
        level add up, but a change of less than a level is none.

    Raises:
        ValueError: as `fgsm`; step out of range, steps or restarts below 1, another norm, restarts at the image.

    Differs from the authors' code: it takes the last point; that is `keep_best=False`.

    Reference: Aleksander Madry, Aleksandar Makelov, Ludwig Schmidt, Dimitris Tsipras, Adrian Vladu. Towards Deep
    Learning Models Resistant to Adversarial Attacks. ICLR 2018.

    >>> x = jnp.full((1, 1, 2, 1), 0.5)
    >>> pgd(jax.random.key(0), lambda x: x.sum((1, 2, 3)), x, 0.25, step=0.1, steps=9).ravel().tolist()
    [0.75, 0.75]
    """
    arguments.key(key, "pgd", images)
    model = ThreatModel(images, epsilon, norm)
    if arguments.count("restarts", restarts) > 1 and not random_start:
        raise ValueError(f"restarts is {restarts} without random_start; wanted 1: they would all be the same")
    length, evaluations = model.distance("step", step), arguments.count("steps", steps) + 1
    return _restarted(key, loss, model, length, evaluations, restarts, random_start, keep_best)


@arguments.annotated
def ascend(
    loss: Loss,
    images: arguments.Batch,
    start: Array,
    epsilon: ArrayLike,
    *,
    step: ArrayLike,
    steps: int,
    norm: Norm = "inf",
) -> jax.Array:
    """The deterministic part of `pgd`: the last point after `steps` steps from a given start.

    Args:
        loss: as in `fgsm`.
        images: as in `fgsm`.
        start: [b h w c], floats in 0..1; projected onto the ball first.
        epsilon: as in `pgd`.
        step: as in `pgd`.
        steps: as in `pgd`.
        norm: as in `pgd`.

    Raises:
        ValueError: as `pgd`, and a start of another shape.

    >>> x = jnp.full((1, 1, 2, 1), 0.5)
    >>> ascend(lambda x: x.sum((1, 2, 3)), x, x, 0.25, step=0.125, steps=1).ravel().tolist()
    [0.625, 0.625]
    """
    model = ThreatModel(images, epsilon, norm)
    if jnp.shape(start) != model.clean.shape:
        raise ValueError(f"start has shape {jnp.shape(start)}; wanted that of the images, {model.clean.shape}")
    first = model.inside(jnp.asarray(start).astype(model.clean.dtype))
    length = model.distance("step", step)
    last, _ = _ascent(loss, model, first, length, arguments.count("steps", steps), _unattacked(model), False)
    return model.images(last)


# Images [b h w c] and their losses [b].
_Best = tuple[Float[Array, "b h w c"], Float[Array, "b"]]


def _restarted(
    key: Array,
    loss: Loss,
    model: ThreatModel,
    length: Array,
    evaluations: int,
    restarts: int,
    random_start: bool,
    keep_best: bool,
) -> Array:
    """The best of FGSM's step, with keep_best, and of the ascents from all starts."""

    def run(best: _Best, plan: tuple[Array, Array, Array, Array]) -> tuple[_Best, None]:
        key, at_image, length, evaluations = plan
        start = jnp.where(at_image, model.clean, model.start(key)) if random_start else model.clean
        return _ascent(loss, model, start, length, evaluations, best, keep_best)[1], None

    # The first run is the step of length epsilon, in the same loop, so that the network is compiled only once.
    first = int(keep_best)
    plans = (
        jax.random.split(key, first + restarts),
        jnp.arange(first + restarts) < first,
        jnp.stack([model.epsilon] * first + [length] * restarts),
        jnp.array([2] * first + [evaluations] * restarts, jnp.int32),
    )
    best, _ = jax.lax.scan(run, _unattacked(model), plans)
    return model.images(best[0])


def _unattacked(model: ThreatModel) -> _Best:
    """The images with a loss below every other."""
    return model.clean, jnp.full_like(model.clean[:, 0, 0, 0], -jnp.inf, jnp.float32)


def _ascent(
    loss: Loss, model: ThreatModel, start: Array, length: Array, evaluations: int | Array, best: _Best, keep_best: bool
) -> tuple[Array, _Best]:
    """Evaluate a point and step from it, `evaluations` times: the point after the last step, and the best evaluated.

    Without keep_best only the last evaluation counts. A loss that is NaN is never the best.
    """

    def evaluate(turn: Array, carry: tuple[Array, _Best]) -> tuple[Array, _Best]:
        point, (kept, highest) = carry
        here = model.quantized(point)
        value, gradient = _value_and_gradient(loss, here)
        wins = (value > highest) & (keep_best | (turn == evaluations - 1))
        best = jnp.where(wins[:, None, None, None], here, kept), jnp.where(wins, value, highest)
        return model.step(point, gradient, length), best

    return jax.lax.fori_loop(0, evaluations, evaluate, (start, best))


def _value_and_gradient(loss: Loss, x: Array) -> tuple[Float[Array, "b"], Array]:
    """Loss of each image and its gradient, both without a gradient themselves."""

    def total(x: Array) -> tuple[Array, Array]:
        values = loss(x)
        if jnp.shape(values) != x.shape[:1]:
            raise ValueError(
                f"loss gave shape {jnp.shape(values)} for images of shape {x.shape}; wanted one loss per image, "
                "[b]: leave out the mean"
            )
        return values.sum(), values.astype(jnp.float32)

    gradient, values = jax.lax.stop_gradient(jax.grad(total, has_aux=True)(x))
    return values, gradient
