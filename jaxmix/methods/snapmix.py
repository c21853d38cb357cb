"""SnapMix (Huang et al., 2021): a box of the partner is resized into a box; class activation maps weight the labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments, masks, saliency, sampling, warps
from jaxmix.mix import Mix, apply, pair
from jaxmix.sharding import sharded_like

__all__ = ["paste", "proportions", "snapmix"]


@arguments.method
def snapmix(
    key: jax.Array,
    batch: arguments.Batch,
    cam: jax.Array,
    labels: ArrayLike | None = None,
    *,
    alpha: ArrayLike = 5.0,
    double_same_label: bool = False,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Resize a box of the partner into another box, and weight each label by its visible evidence.

        x' = x outside box A, box B of x[partner] resized (bilinear) inside;   sides = side * sqrt(s),   s ~ Beta(alpha,
        alpha), drawn for A and B independently;   S = `jaxmix.saliency.percentage` of the class activation maps
        own weight = 1 - sum of S in A,   partner's weight = sum of S[partner] in B

    The weights of a sample need not sum to 1. Where a box is empty nothing is mixed. An image whose map is constant, or
    has a value that isn't finite, is weighted by the area of A instead, as in CutMix.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        cam: class activation map of each image's own label, [b n m], of any size, e.g. `jaxmix.saliency.cam` of
            rectified features. No gradient flows into it.
        labels: class ids [b]; only needed for double_same_label.
        alpha: the paper's beta, a Beta parameter above 0; may be traced. Networks trained from scratch: 1.
        double_same_label: give both slots the sum of their weights where the labels are equal, as the authors' code
            does (and their figures are made with): together twice the weight that the paper gives.
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one pair of boxes for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], maps that don't fit them, labels that aren't class ids or are missing
            for double_same_label, one sample and no partner or a wrong one, alpha not above 0.

    Differs from the authors' code: double_same_label (intended and of little effect, by their issue #3).

    Reference: Shaoli Huang, Xinchao Wang, Dacheng Tao. SnapMix: Semantically Proportional Mixing for Augmenting
    Fine-grained Data. AAAI 2021.

    >>> images, mix = jax.jit(snapmix)(jax.random.key(0), jnp.zeros((4, 8, 8, 3)), jnp.ones((4, 2, 2)))
    >>> mix.weight.shape, mix.mask.shape
    ((4, 2), (4, 2, 8, 8))
    """
    share_key, target_key, source_key = jax.random.split(key, 3)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    size, height, width, _ = x.shape
    percentage = saliency.percentage(arguments.maps("cam", cam, x, any_size=True), height, width)
    doubled = _doubled(labels, size, double_same_label)
    target_share, source_share = jnp.split(sampling.beta(share_key, alpha, 2 * draws), 2)
    target = masks.even_box(target_share, masks.uniform_center(target_key, draws, height, width), height, width)
    source = masks.even_box(source_share, masks.uniform_center(source_key, draws, height, width), height, width)
    mix = paste(percentage, partner, target, source, doubled)
    return apply(mix, x), mix


def paste(
    percentage: Float[Array, "b h w"],
    partner: Int[Array, "b"],
    target: masks.Profiles,
    source: masks.Profiles,
    doubled: Int[Array, "b"] | None = None,
) -> Mix:
    """Make the mix that resizes the partner's box `source` into the box `target`.

    Where labels given as `doubled` are equal, both slots get the sum of their weights.
    """
    size = percentage.shape[0]
    mask, area = masks.outer(*target)
    mixed = (area > 0) & (masks.outer(*source)[1] > 0)
    mask, area = jnp.where(mixed[:, None, None], mask, 0), jnp.where(mixed, area, 0)
    warp = warps.Interpolate(*(_stretch(*profiles, size) for profiles in zip(target, source, strict=True)))
    mix = pair(partner, mask, area, warp)
    weight = _weights(percentage, partner, target, source, mix.weight, doubled)
    return mix._replace(weight=jnp.where(mixed[:, None], weight, mix.weight))


def proportions(
    percentage: Float[Array, "b h w"], partner: Int[Array, "b"], target: masks.Profiles, source: masks.Profiles
) -> Float[Array, "b 2"]:
    """Compute the evidence left of each image outside the box, and that of its partner inside it."""

    def inside(maps: Array, profiles: masks.Profiles) -> Array:
        return jnp.clip((maps * masks.outer(*profiles)[0]).sum((1, 2)), 0, 1)

    return jnp.stack([1 - inside(percentage, target), inside(percentage[partner], source)], 1)


@sharded_like("percentage")
def _weights(
    percentage: Float[Array, "b h w"],
    partner: Int[Array, "b"],
    target: masks.Profiles,
    source: masks.Profiles,
    areas: Float[Array, "b 2"],
    labels: Int[Array, "b"] | None,
) -> Float[Array, "b 2"]:
    """Weight labels by the evidence, or by the areas where a map has none; equal labels by the sum of both."""
    weight = proportions(percentage, partner, target, source)
    # A uniform map stands for one without information: the minimum of any other is 0.
    informative = percentage.max((1, 2)) > percentage.min((1, 2))
    informative = jnp.stack([informative, informative[partner]], 1)
    if labels is not None:
        same = (labels == labels[partner])[:, None]
        weight = jnp.where(same, weight.sum(1, keepdims=True), weight)
        informative = jnp.where(same, informative.all(1, keepdims=True), informative)
    return jnp.where(informative, weight, areas)


def _stretch(target: Float[Array, "d side"], source: Float[Array, "d side"], size: int) -> Float[Array, "b side"]:
    """Compute the source of each pixel along one axis: first from first and last from last pixel of the boxes."""

    def first(profile: Float[Array, "d side"]) -> Float[Array, "d 1"]:
        return jnp.argmax(profile, 1).astype(jnp.float32)[:, None]

    def steps(profile: Float[Array, "d side"]) -> Float[Array, "d 1"]:
        return jnp.maximum(profile.sum(1) - 1, 0)[:, None]

    pixel = jnp.arange(target.shape[1], dtype=jnp.float32)[None, :] - first(target)
    points = first(source) + pixel * steps(source) / jnp.maximum(steps(target), 1)
    return jnp.broadcast_to(points, (size, target.shape[1]))


def _doubled(labels: ArrayLike | None, size: int, wanted: bool) -> Int[Array, "b"] | None:
    if labels is None:
        if wanted:
            raise ValueError("double_same_label needs labels: pass class ids [b]")
        return None
    ids = arguments.class_ids(labels, (size,))
    return ids if wanted else None
