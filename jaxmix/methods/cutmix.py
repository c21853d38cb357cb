"""CutMix (Yun et al., 2019): a box of the partner is pasted at the same place."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxmix import arguments, masks, sampling
from jaxmix.mix import Mix, apply, pair

__all__ = ["cutmix"]


@arguments.method
def cutmix(
    key: jax.Array,
    batch: arguments.Batch,
    *,
    alpha: ArrayLike = 1.0,
    area: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    center: masks.Center = masks.uniform_center,
    box: Callable[..., masks.Profiles] = masks.even_box,
    partner: ArrayLike | None = None,
    per_batch: bool = False,
) -> tuple[jax.Array, Mix]:
    """Paste a box of the partner, and weight the labels by its area.

        x' = x outside the box, x[partner] inside;   box sides = side * sqrt(s),   s ~ Beta(alpha, alpha)

    The box is cut at the border, so the partner's share of the label is at most s (30 % on average at alpha 1).

    The paper's variants (section 4.1.3): Center-Gaussian is `center=jaxmix.masks.gaussian_center`; Fixed-size is
    `area=(0.25, 0.25)`; One-hot and Complete-label are `jaxmix.majority(mix)` and `jaxmix.evenly(mix)`; Scheduled is
    `jaxmix.sometimes(jaxmix.cutmix, step / steps)`. On hidden features this is Feature-CutMix.

    Args:
        key: PRNG key.
        batch: images or features [b h w c], floating or uint8, or a mapping with "image".
        alpha: Beta parameter, above 0; may be traced. Fine-grained data: 3.
        area: lowest and highest s, in [0, 1]; the Beta draw is stretched onto it; may be traced.
        center: samples the center of the box, `jaxmix.masks.uniform_center`, `gaussian_center` or `real_center`.
        box: from s and the center to the box: `jaxmix.masks.even_box`, or `real_box`, or for signals [b t 1 c] and
            spectrograms `row_band` and `column_band` (all three with `center=real_center`).
        partner: index of each sample's partner, Int[b]; by default the next sample.
        per_batch: one box for the whole batch, as in the authors' code, instead of one per sample.

    Returns:
        Mixed images of the same shape and dtype, each pixel that of one of the two sources, and the `Mix`.

    Raises:
        ValueError: images that aren't [b h w c], one sample and no partner or a wrong one, alpha not above 0, area
            outside [0, 1]; images so narrow, or an area so small, that the box is always empty.

    Differs from the paper's pseudo-code, which draws a real-valued center and rounds the edges: that is
    `center=jaxmix.masks.real_center, box=functools.partial(jaxmix.masks.real_box, edge=jnp.round)`. The default is
    the box of the authors' code, behind the published figures. The authors mix a batch with probability 0.5 on CIFAR:
    `jaxmix.sometimes(jaxmix.cutmix, 0.5, per_batch=True)`.

    Reference: Sangdoo Yun, Dongyoon Han, Seong Joon Oh, Sanghyuk Chun, Junsuk Choe, Youngjoon Yoo. CutMix:
    Regularization Strategy to Train Strong Classifiers with Localizable Features. ICCV 2019.

    >>> images, mix = jax.jit(cutmix)(jax.random.key(0), jax.numpy.zeros((4, 8, 8, 3)))
    >>> mix.weight.shape, mix.mask.shape
    ((4, 2), (4, 2, 8, 8))
    """
    share_key, center_key = jax.random.split(key)
    x, partner, draws = arguments.inputs(batch, partner, per_batch)
    height, width = x.shape[1:3]
    low, high = arguments.interval("area", area, low=0.0, high=1.0)
    _require_area(area, box, height, width)
    share = sampling.scale_to(low, high, sampling.beta(share_key, alpha, draws))
    rows, columns = box(share, center(center_key, draws, height, width), height, width)
    mix = pair(partner, *masks.outer(rows, columns))
    return apply(mix, x), mix


def _require_area(area: tuple[ArrayLike, ArrayLike], box: Callable[..., Any], height: int, width: int) -> None:
    """Refuse an area, where it is known, of which the even box has no pixel."""
    high, side = arguments.concrete(area[1]), min(height, width)
    if box is masks.even_box and high is not None and 3 <= side and side * np.sqrt(high) < 2:
        raise ValueError(
            f"area is {area}, of which the box on images of {height} x {width} is always empty: its sides are even; "
            f"wanted {(2 / side) ** 2:.2g} or more, or box=jaxmix.masks.real_box with center=jaxmix.masks.real_center"
        )
