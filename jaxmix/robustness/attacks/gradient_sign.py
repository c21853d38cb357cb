"""Pictures changed by as much as nobody sees, such that a network errs: FGSM and PGD, in pixel space.

An attack takes a loss, a function from pictures [b h w c] in 0..1 to one number each, with the labels in it:

    def loss(x):  # the network's own normalization is part of it, and batch statistics are not
        return jaxmix.cross_entropy(network((x - mean) / std), labels)

What comes back are pictures again, in 0..1, without a gradient.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments
from jaxmix.robustness.attacks.threat_model import Norm, ThreatModel

Loss = Callable[[Array], Float[Array, "b"]]


def fgsm(loss: Loss, images: arguments.Batch, epsilon: ArrayLike) -> jax.Array:
    """Fast gradient sign method: one step of full length, each pixel up or down.

        x' = clip(x + epsilon sign(d loss / dx), 0, 1),   sign(0) = 0

    Args:
        loss: from pictures [b h w c] in 0..1, float32, to [b]; it must be one number per picture, no mean.
        images: pictures [b h w c], uint8 in 0..255 or floats in 0..1, or a mapping with "image". Not normalized.
        epsilon: largest change of a pixel, in units of 0..1 for uint8 too (8 levels: 8 / 255); may be traced. 0 changes
            nothing.

    Returns:
        Pictures of the same shape and dtype, within epsilon of `images` and in their range; in uint8 the change is a
        whole number of levels. A pixel stays as it is where the gradient isn't a number.

    Raises:
        ValueError: images that aren't [b h w c] or, where their numbers are known, floats outside 0..1; epsilon out of
            0..1; a loss that doesn't give [b].

    Reference: Ian J. Goodfellow, Jonathon Shlens, Christian Szegedy. Explaining and Harnessing Adversarial Examples.
    ICLR 2015.

    >>> fgsm(lambda x: (x**2).sum((1, 2, 3)), jnp.array([0.25, 0.0]).reshape(1, 1, 2, 1), 0.5).ravel().tolist()
    [0.75, 0.0]
    """
    ball = ThreatModel(images, epsilon, "inf")
    _, gradient = _climb(loss, ball.clean)
    return ball.pictures(ball.step(ball.clean, gradient, ball.epsilon))


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
    """Projected gradient descent: many short steps, back into the ball around the picture after each.

        x <- clip(ball(x + step d), 0, 1),   d = sign(g) or g / |g|_2,   g = d loss / dx,   |x - images| <= epsilon

    Of all pictures on the way, and of all restarts, that of the highest loss is kept, for each picture by itself. The
    picture itself and one step of length epsilon from it (with norm "inf" that is FGSM's) are among them, so that no
    picture has a lower loss than FGSM gives it. That takes two gradients more.

    Args:
        key: PRNG key, for the starts.
        loss: as in `fgsm`. With cross-entropy a higher loss may still be a right prediction, if three classes or more
            are close; with the margin (highest other logit minus the label's) it can't.
        images: as in `fgsm`.
        epsilon: largest change of a pixel, 0 to 1, or with norm "2" of a picture (square root of the sum of the squares
            of all its pixels and channels), 0 or more; may be traced.
        step: length of a step in the same norm, 0 or more; may be traced.
        steps: how many steps, static. The paper: step 2 / 255 and 7 or 20 steps for epsilon 8 / 255.
        norm: "inf" or "2".
        restarts: how often to start, static.
        random_start: start at a point drawn uniformly from the ball, clipped to 0..1; False: at the picture.
        keep_best: False takes the last picture of each restart instead, and of those the one of highest loss.

    Returns:
        Pictures of the same shape and dtype as `images`, within epsilon of them (to the rounding of the dtype) and in
        their range. In uint8 each picture on the way has whole levels, rounded towards `images`: steps of less than a
        level add up, but a change of less than a level is none.

    Raises:
        ValueError: as `fgsm`; step out of range, steps or restarts below 1, another norm, restarts without
            random_start.

    Differs from the authors' code, which takes the last picture: that is `keep_best=False`.

    Reference: Aleksander Madry, Aleksandar Makelov, Ludwig Schmidt, Dimitris Tsipras, Adrian Vladu. Towards Deep
    Learning Models Resistant to Adversarial Attacks. ICLR 2018.

    >>> x = jnp.full((1, 1, 2, 1), 0.5)
    >>> pgd(jax.random.key(0), lambda x: x.sum((1, 2, 3)), x, 0.25, step=0.1, steps=9).ravel().tolist()
    [0.75, 0.75]
    """
    ball = ThreatModel(images, epsilon, norm)
    if arguments.count("restarts", restarts) > 1 and not random_start:
        raise ValueError(f"restarts is {restarts} without random_start; wanted 1: they would all be the same")
    length, looks = ball.distance("step", step), arguments.count("steps", steps) + 1

    def run(best: _Best, plan: tuple[Array, Array, Array, Array]) -> tuple[_Best, None]:
        key, plain, length, looks = plan
        start = jnp.where(plain, ball.clean, ball.start(key)) if random_start else ball.clean
        return _ascent(loss, ball, start, length, looks, best, keep_best)[1], None

    # The first run is the one long step. It is a turn of the same loop, so that the network is compiled only once.
    first = int(keep_best)
    plans = (
        jax.random.split(key, first + restarts),
        jnp.arange(first + restarts) < first,
        jnp.stack([ball.epsilon] * first + [length] * restarts),
        jnp.array([2] * first + [looks] * restarts, jnp.int32),
    )
    best, _ = jax.lax.scan(run, _nothing(ball), plans)
    return ball.pictures(best[0])


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
    """The deterministic part of `pgd`: the last picture after so many steps from a given start.

    Args:
        loss: as in `fgsm`.
        images: as in `fgsm`.
        start: [b h w c], floats in 0..1; brought into the ball first.
        epsilon: as in `pgd`, and the others.
        step: as in `pgd`.
        steps: as in `pgd`.
        norm: as in `pgd`.

    Raises:
        ValueError: as `pgd`, and a start of another shape.

    >>> x = jnp.full((1, 1, 2, 1), 0.5)
    >>> ascend(lambda x: x.sum((1, 2, 3)), x, x, 0.25, step=0.125, steps=1).ravel().tolist()
    [0.625, 0.625]
    """
    ball = ThreatModel(images, epsilon, norm)
    if jnp.shape(start) != ball.clean.shape:
        raise ValueError(f"start has shape {jnp.shape(start)}; wanted that of the images, {ball.clean.shape}")
    first = ball.inside(jnp.asarray(start).astype(ball.clean.dtype))
    length = ball.distance("step", step)
    last, _ = _ascent(loss, ball, first, length, arguments.count("steps", steps), _nothing(ball), False)
    return ball.pictures(last)


# Pictures and their losses [b].
_Best = tuple[Array, Array]


def _nothing(ball: ThreatModel) -> _Best:
    """The pictures as they are, which any loss beats."""
    return ball.clean, jnp.full_like(ball.clean[:, 0, 0, 0], -jnp.inf, jnp.float32)


def _ascent(
    loss: Loss, ball: ThreatModel, start: Array, length: Array, looks: int | Array, best: _Best, keep_best: bool
) -> tuple[Array, _Best]:
    """Look at a point, step on, so many times: the point after the last step, and the best picture looked at.

    Without keep_best only the last look counts. A loss that isn't a number is never the best.
    """

    def look(turn: Array, carry: tuple[Array, _Best]) -> tuple[Array, _Best]:
        point, (kept, highest) = carry
        here = ball.seen(point)
        value, gradient = _climb(loss, here)
        wins = (value > highest) & (keep_best | (turn == looks - 1))
        best = jnp.where(wins[:, None, None, None], here, kept), jnp.where(wins, value, highest)
        return ball.step(point, gradient, length), best

    return jax.lax.fori_loop(0, looks, look, (start, best))


def _climb(loss: Loss, x: Array) -> tuple[Float[Array, "b"], Array]:
    """Loss of each picture and its gradient, both without a gradient themselves."""

    def total(x: Array) -> tuple[Array, Array]:
        values = loss(x)
        if jnp.shape(values) != x.shape[:1]:
            raise ValueError(
                f"loss gave shape {jnp.shape(values)} for images of shape {x.shape}; wanted one number per picture, "
                "[b]: leave out the mean"
            )
        return values.sum(), values.astype(jnp.float32)

    gradient, values = jax.lax.stop_gradient(jax.grad(total, has_aux=True)(x))
    return values, gradient
