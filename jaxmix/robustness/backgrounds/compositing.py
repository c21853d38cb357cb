"""Only-FG, No-FG and the mixed sets of Noise or Signal: foregrounds and backgrounds, removed or exchanged by masks.

Only-BG-T images serve as the backgrounds of the mixed sets:

    backgrounds = only_background_tiled(images, boxes)
    index, valid = next_class(key, labels, num_classes)
    images = mixed(images, masks, backgrounds[index])
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix import arguments, dtypes

__all__ = ["challenge_images", "mixed", "no_foreground", "only_foreground"]


def only_foreground(images: arguments.Batch, masks: ArrayLike) -> Array:
    """Only-FG: the foreground on black, `out = m x`.

    Args:
        images: [b h w c], uint8 in 0..255 or floats in 0..1; not normalized, or 0 wouldn't be black.
        masks: [b h w], 1 or True on the foreground; soft masks from 0 to 1 are accepted.

    Returns:
        Images of the same shape and dtype; uint8 are rounded to the nearest level.

    Raises:
        ValueError: images that aren't [b h w c] or, where their values are known, floats outside 0..1; masks of
            another size or outside 0..1.

    Reference: Kai Xiao, Logan Engstrom, Andrew Ilyas, Aleksander Madry. Noise or Signal: The Role of Image Backgrounds
    in Object Recognition. ICLR 2021.

    >>> only_foreground(jnp.full((1, 1, 2, 1), 0.5), jnp.array([[[1, 0]]])).ravel().tolist()
    [0.5, 0.0]
    """
    x = arguments.images(images)
    foreground = _shares(masks, x) * arguments.unit(x).astype(jnp.float32)
    return arguments.nan_outside(x, dtypes.narrow(foreground, x.dtype))


def no_foreground(images: arguments.Batch, masks: ArrayLike) -> Array:
    """No-FG: the foreground set to black, `out = (1 - m) x`. The shape of the hole remains visible.

    With a mask of 0 and 1 this and `only_foreground` add up to the image, exactly.

    Args:
        images: as in `only_foreground`.
        masks: as in `only_foreground`.

    Returns:
        Images of the same shape and dtype.

    Raises:
        ValueError: as `only_foreground`.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> no_foreground(jnp.full((1, 1, 2, 1), 0.5), jnp.array([[[1, 0]]])).ravel().tolist()
    [0.0, 0.5]
    """
    x = arguments.images(images)
    background = (1 - _shares(masks, x)) * arguments.unit(x).astype(jnp.float32)
    return arguments.nan_outside(x, dtypes.narrow(background, x.dtype))


def mixed(images: arguments.Batch, masks: ArrayLike, backgrounds: arguments.Batch) -> Array:
    """Mixed-Same, Mixed-Rand, Mixed-Next and the challenge: place the foreground before another background.

        out[b] = m[b] x[b] + (1 - m[b]) background[b]

    Args:
        images: as in `only_foreground`.
        masks: as in `only_foreground`.
        backgrounds: one for each image, of the same shape and dtype; or one for all, [1 h w c]. The authors take
            Only-BG-T images: of the same class (`same_class`), any class (`random_class`) or the next (`next_class`).

    Returns:
        Images of the same shape and dtype; labels are those of the foregrounds.

    Raises:
        ValueError: as `only_foreground`; backgrounds of another shape or dtype.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> white, black = jnp.ones((1, 1, 2, 1)), jnp.zeros((1, 1, 2, 1))
    >>> mixed(white, jnp.array([[[1.0, 0.25]]]), black).ravel().tolist()
    [1.0, 0.25]
    """
    x, other = arguments.images(images), arguments.images(backgrounds)
    if other.shape not in (x.shape, (1, *x.shape[1:])) or other.dtype != x.dtype:
        raise ValueError(
            f"backgrounds have shape {other.shape} and dtype {other.dtype}, the images {x.shape} and {x.dtype}; wanted "
            f"one for each image, {x.shape}, or one for all, {(1, *x.shape[1:])}, of their dtype"
        )
    share = _shares(masks, x)
    front, back = (
        arguments.unit(part, name).astype(jnp.float32) for part, name in ((x, "images"), (other, "backgrounds"))
    )
    out = dtypes.narrow(share * front + (1 - share) * back, x.dtype)
    return arguments.nan_outside(other, arguments.nan_outside(x, out))


def challenge_images(images: arguments.Batch, masks: ArrayLike, backgrounds: arguments.Batch) -> Array:
    """The background challenge: place every foreground before every background.

        out[i, j] = m[i] x[i] + (1 - m[i]) background[j]

    Predictions for these are the input of `challenge_accuracy`. The authors take all Only-BG-T images of the test set,
    those of the foreground's own class and its own background too.

    Args:
        images: as in `only_foreground`.
        masks: as in `only_foreground`.
        backgrounds: [m h w c], of the images' dtype.

    Returns:
        Images [b m h w c] of the same dtype, b times the size of the backgrounds: take few at a time.

    Raises:
        ValueError: as `mixed`.

    Reference: Xiao et al., Noise or Signal, ICLR 2021.

    >>> challenge_images(jnp.ones((2, 4, 4, 3)), jnp.ones((2, 4, 4)), jnp.zeros((5, 4, 4, 3))).shape
    (2, 5, 4, 4, 3)
    """
    other = arguments.images(backgrounds)
    arguments.unit(other, "backgrounds")
    return jax.vmap(lambda one: mixed(images, masks, one[None]), out_axes=1)(other)


def _shares(masks: ArrayLike, x: Array) -> Float[Array, "b h w 1"]:
    """Share of the foreground in each pixel."""
    masks = arguments.numeric("masks", masks)
    shape = masks.shape
    if shape != x.shape[:3]:
        squeeze = ": drop the last axis with masks[..., 0]" if len(shape) == 4 and shape[3] == 1 else ""
        raise ValueError(f"masks have shape {shape}; wanted one value for each pixel, {x.shape[:3]}{squeeze}")
    known = arguments.concrete(masks)
    if known is not None and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError(
            f"masks go from {known.min()} to {known.max()}; wanted 0 to 1, 1 on the foreground: call masks > 127 on "
            "those of 0 and 255"
        )
    share = jnp.asarray(masks).astype(jnp.float32)
    return jax.lax.stop_gradient(jnp.where(share > 0, jnp.minimum(share, 1), 0))[..., None]
