"""Co-Mixup (Kim et al., 2021): the images of each group are assigned jointly to the blocks of its outputs."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.blocks import coordinate_descent, groups
from jaxmix.blocks.costs import pool
from jaxmix.mix import Mix, apply
from jaxmix.numerics import barrier, hide_constant
from jaxmix.saliency import normalize
from jaxmix.sharding import sharded_like

__all__ = ["Weights", "comixup"]

# Weights of costs are at most this, far below the cost of a forbidden assignment.
_MOST = 1e4


class Weights(NamedTuple):
    """Weights that may be traced: alpha, beta, gamma, eta, tau and omega."""

    alpha: Float[Array, ""]
    smoothness: Float[Array, ""]
    diversity: Float[Array, ""]
    prior: Float[Array, ""]
    threshold: Float[Array, ""]
    compatibility: Float[Array, ""]


@arguments.method
def comixup(
    key: jax.Array,
    batch: arguments.Batch,
    saliency: Array,
    *,
    alpha: ArrayLike = 2.0,
    blocks: int = 4,
    group: int = 20,
    smoothness: ArrayLike = 0.32,
    diversity: ArrayLike = 1.0,
    prior_weight: ArrayLike = 0.05,
    threshold: ArrayLike = 0.83,
    compatibility: ArrayLike = 0.001,
    iterations: int = 4,
    thresholding: coordinate_descent.Thresholding = coordinate_descent.hard_threshold,
) -> tuple[jax.Array, Mix]:
    """Mix the images of each group of the batch into as many outputs: salient blocks, and diverse outputs.

        x'_o = sum over k of z_o,k x_k,   where the outputs' block labels z together minimize

        sum over blocks:  -(share of k's saliency in the block) - (prior_weight / g^2) log a_k,   a ~ Dirichlet(alpha)
        + for every two unlike neighbors:  smoothness / g^2
        + for every block that holds k, and every block of the other outputs that does:  diversity / g^2, where these
          are more than threshold * g^2 blocks

    Blocks stay in their places. One holds one image, or two by half; most outputs are made of two to four images. The
    label is shared as the pixels are. Outputs are optimized one after the other, the others held, in several sweeps:
    see `jaxmix.blocks.coordinate_descent`.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        saliency: [b n m], at the images' resolution or coarser, of any scale; values below 0 count as 0. Without a
            value above 0, or not finite: uniform. No gradient flows through it.
        alpha: Dirichlet parameter of the demand for every image, above 0; may be traced.
        blocks: g, blocks along each side; static. The authors can draw it anew, from 2 to 16, for every batch.
        group: the number of images that are mixed with each other; static. The batch is cut in order, the last group
            may be smaller; a single image that is left stays unchanged.
        smoothness: beta, cost of unlike neighbors, from 0 to 1e4; may be traced, as all weights. 0.16 to 0.48.
        diversity: gamma, cost of what many outputs use, from 0 to 1e4.
        prior_weight: eta, weight of the demand, from 0 to 1e4.
        threshold: tau, how much of an image the other outputs may use at no cost, 0 or more. 0.81 to 0.84.
        compatibility: omega, in [0, 1]: how much the use of one image counts as use of the others, in proportion to
            the distance of their most salient places.
        iterations: sweeps over the outputs; static. 3 for speed.
        thresholding: the measure of use: `hard_threshold`, `authors_threshold` or `soft_threshold` of
            `jaxmix.blocks.coordinate_descent`; static.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`: one slot for every image of the group, in order from
        the sample itself on, with masks of g x g.

    Raises:
        ValueError: images that aren't [b h w c], one sample, saliency of another size, blocks that don't divide the
            images, a value out of range.

    Differs from the authors' code: that leaves images below the threshold out of the use of the others too, an
    effect of order omega (`thresholding=authors_threshold` does the same); it solves for an output by alpha-beta
    swap, where this finds the minimum; it stops after a sweep without a change, where this makes all sweeps, so
    that outputs of the same images always differ; and it takes the most salient 8 x 8 pixels for the most salient
    place, where this takes a quarter of each side, the same at 32 pixels.

    Reference: Jang-Hyun Kim, Wonho Choo, Hosan Jeong, Hyun Oh Song. Co-Mixup: Saliency Guided Joint Mixup with
    Supermodular Diversity. ICLR 2021.

    >>> images, mix = jax.jit(comixup)(jax.random.key(0), jnp.zeros((3, 8, 8, 1)), jnp.ones((3, 8, 8)))
    >>> mix.source.shape, mix.mask.shape
    ((3, 3), (3, 3, 4, 4))
    """
    demand_key, start_key = jax.random.split(key)
    x = arguments.images(batch)
    maps = arguments.maps("saliency", saliency, x)
    real = groups.occupancy(_several(x.shape[0]), arguments.count("group", group, low=2))
    weights = _weights(alpha, smoothness, diversity, prior_weight, threshold, compatibility)
    demand = dirichlet(demand_key, weights.alpha, real)
    start = random_inputs(start_key, real, arguments.blocks(blocks, x))
    mix = assign(maps, demand, start, weights, arguments.count("iterations", iterations), thresholding)
    return apply(mix, x), mix


@sharded_like("maps")
@functools.partial(jax.jit, static_argnames=("iterations", "thresholding"))
def assign(
    maps: Float[Array, "b h w"],
    demand: Float[Array, "p n"],
    start: Int[Array, "p n g g"],
    weights: Weights,
    iterations: int,
    thresholding: coordinate_descent.Thresholding,
) -> Mix:
    """Assign inputs to the blocks of all outputs, from the demand for the inputs and a start of the search."""
    real = groups.occupancy(maps.shape[0], start.shape[1])
    maps = groups.split_maps(normalize(maps), real)
    parents = coordinate_descent.assign(
        barrier(costs(maps, demand, weights.prior, start.shape[2])),
        barrier(compatible(peaks(maps), real, weights.compatibility)),
        jnp.asarray(real),
        start,
        smoothness=weights.smoothness,
        diversity=weights.diversity,
        threshold=weights.threshold,
        iterations=iterations,
        thresholding=thresholding,
    )
    return groups.mix_of_parents(jnp.where(weights.alpha > 0, parents, groups.identity_parents(parents)), real)


def dirichlet(key: Array, alpha: Array, real: np.ndarray) -> Float[Array, "p n"]:
    """Sample the demand for every input of a group, from Dirichlet(alpha)."""
    positive = jnp.broadcast_to(hide_constant(jnp.where(alpha > 0, alpha, 1.0), key), real.shape)
    return jax.nn.softmax(jnp.where(real, jax.random.loggamma(key, positive, dtype=jnp.float32), -jnp.inf))


def random_inputs(key: Array, real: np.ndarray, blocks: int) -> Int[Array, "p n g g"]:
    """Sample an input of its group for every block of every output, uniformly."""
    shape = (*real.shape, blocks, blocks)
    inputs = np.broadcast_to(groups.group_sizes(real)[:, None, None, None], shape)
    return jax.random.randint(key, shape, 0, inputs, jnp.int32)


def costs(
    maps: Float[Array, "p n h w"], demand: Float[Array, "p n"], prior_weight: Float[Array, ""], blocks: int
) -> Float[Array, "p g g n"]:
    """Compute the cost of every input in every block: the lower the more salient and the more in demand."""
    saliency = jax.vmap(pool, (0, None, None))(maps, blocks, blocks)
    prior = prior_weight / blocks**2 * jnp.log(demand + 1e-8)
    return jnp.moveaxis(-saliency - prior[..., None, None], 1, 3)


def peaks(maps: Float[Array, "p n h w"]) -> Int[Array, "p n 2"]:
    """Find the row and column of the most salient window of a quarter of each side; the first of equals."""
    for axis in (2, 3):
        window = [max(1, side // 4) if i == axis else 1 for i, side in enumerate(maps.shape)]
        maps = jax.lax.reduce_window(maps, np.float32(0), jax.lax.add, window, (1, 1, 1, 1), "valid")
    place = jnp.argmax(maps.reshape(*maps.shape[:2], -1), -1).astype(jnp.int32)
    return jnp.stack([place // maps.shape[3], place % maps.shape[3]], -1)


def compatible(peaks: Int[Array, "p n 2"], real: np.ndarray, weight: Float[Array, ""]) -> Float[Array, "p n n"]:
    """A = (1 - omega) I + omega D n / sum(D), with D the L1 distance of the peaks of two inputs."""
    pairs = real[:, :, None] & real[:, None]
    distance = jnp.where(pairs, jnp.abs(peaks[:, :, None] - peaks[:, None]).sum(-1, dtype=jnp.int32), 0)
    distance = distance.astype(jnp.float32)
    inputs = groups.group_sizes(real).astype(np.float32)
    scaled = distance * (inputs / jnp.maximum(distance.sum((1, 2)), 1.0))[:, None, None]
    return (1 - weight) * jnp.eye(real.shape[1], dtype=jnp.float32)[None] + weight * scaled


def _weights(
    alpha: ArrayLike,
    smoothness: ArrayLike,
    diversity: ArrayLike,
    prior: ArrayLike,
    threshold: ArrayLike,
    compatibility: ArrayLike,
) -> Weights:
    """Validate the weights."""
    return Weights(
        arguments.number("alpha", alpha, above=0.0),
        arguments.number("smoothness", smoothness, high=_MOST),
        arguments.number("diversity", diversity, high=_MOST),
        arguments.number("prior_weight", prior, high=_MOST),
        arguments.number("threshold", threshold),
        arguments.number("compatibility", compatibility, high=1.0),
    )


def _several(size: int) -> int:
    """Check that there is more than one sample."""
    if size < 2:
        raise ValueError("the batch has one sample, and mixing needs a partner: pass two or more samples")
    return size
