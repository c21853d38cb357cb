"""Where a picture's label comes from: maps [b h w], made of gradients, of features or of the pixels themselves.

Nothing here calls a network by itself: arrays arrive, or functions that call it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxmix import arguments
from jaxmix.pixels import separable_blur

# Narrower Gaussians than this many pixels leave a map as it is.
_NARROWEST = 1e-6


def input_gradient(loss: Callable[[Array], Array], images: Array) -> Float[Array, "b h w c"]:
    """The gradient of every sample's loss with respect to its own picture.

        out[b] = d loss[b] / d images[b]

    A sample's scale doesn't matter for saliency, so the sum of the losses is differentiated. What ties samples
    together, such as batch statistics, is the caller's choice: PuzzleMix takes running averages, SAGE batch statistics.
    Where a training step needs gradients of the weights too, `jax.value_and_grad(..., argnums=(0, 1))` gives both in
    one pass; then only `mean_abs` or `root_mean_square` is needed.

    Args:
        loss: from images to losses [b], or to their sum or mean.
        images: [b h w c], floating, or uint8, which are passed on as float32 of 0..255. Features will do too.

    Returns:
        The gradient, float32, itself without a gradient.

    Raises:
        ValueError: images that aren't [b h w c], losses that aren't one number per sample or one in all.

    >>> input_gradient(lambda x: (x**2).sum((1, 2, 3)), jnp.full((1, 1, 2, 1), 3.0)).ravel().tolist()
    [6.0, 6.0]
    """
    x = jax.lax.stop_gradient(arguments.images(images))
    x = x.astype(jnp.float32) if x.dtype == jnp.uint8 else x

    def total(x: Array) -> Array:
        losses = loss(x)
        if losses.shape not in ((), x.shape[:1]):
            raise ValueError(f"loss gave shape {losses.shape} for images of shape {x.shape}; wanted [b] or one number")
        return losses.sum()

    return jax.lax.stop_gradient(jax.grad(total)(x).astype(jnp.float32))


def mean_abs(gradient: Array) -> Float[Array, "b h w"]:
    """SAGE's saliency, the mean over the channels: `out = mean over c of |gradient[..., c]|`, from [b h w c].

    Reference: Ma et al., SAGE: Saliency-Guided Mixup with Optimal Rearrangements, BMVC 2022.

    >>> mean_abs(jnp.array([[[[3.0, -4.0]]]])).tolist()
    [[[3.5]]]
    """
    return jnp.abs(_ranked(gradient, 4, "gradient").astype(jnp.float32)).mean(3)


def root_mean_square(gradient: Array) -> Float[Array, "b h w"]:
    """PuzzleMix's and Co-Mixup's saliency: `out = sqrt(mean over c of gradient[..., c]^2)`, from [b h w c].

    Squares neither overflow nor vanish.

    Reference: Kim et al., Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup, ICML 2020.

    >>> root_mean_square(jnp.array([[[[1.0, -7.0]]]])).tolist()
    [[[5.0]]]
    """
    gradient = _ranked(gradient, 4, "gradient").astype(jnp.float32)
    largest = jnp.abs(gradient).max(3)
    # Powers of two, so that nothing is rounded.
    up = jnp.where(largest < 2.0**-56, 2.0**64, jnp.where(largest > 2.0**56, 2.0**-72, 1.0)).astype(jnp.float32)
    down = jnp.where(largest < 2.0**-56, 2.0**-64, jnp.where(largest > 2.0**56, 2.0**72, 1.0)).astype(jnp.float32)
    return jnp.sqrt(jnp.square(gradient * up[..., None]).mean(3)) * down


def smooth(maps: Array, *, sigma: ArrayLike = 1.0, size: int = 5) -> Float[Array, "b h w"]:
    """Gaussian smoothing, as SAGE does it before normalizing.

        out[i, j] = sum over t, u of g[t] g[u] maps[i + t, j + u],   g[t] ~ exp(-t^2 / (2 sigma^2)), sum 1

    At the borders a map is mirrored about its outermost pixel.

    Args:
        maps: [b h w].
        sigma: standard deviation in pixels, above 0; may be traced (then 0 and less leave the maps as they are).
        size: number of taps, odd; static. A mirror image shorter than the reach of the taps is mirrored again.

    Returns:
        Maps of the same shape, float32.

    Raises:
        ValueError: maps that aren't [b h w], sigma not above 0, an even size.

    >>> [round(float(x), 2) for x in smooth(jnp.array([[[0.0, 0.0, 1.0, 0.0, 0.0]]]), size=3)[0, 0]]
    [0.0, 0.27, 0.45, 0.27, 0.0]
    """
    maps = _ranked(maps, 3, "maps").astype(jnp.float32)
    sigma = jnp.maximum(arguments.number("sigma", sigma, above=0.0), _NARROWEST)
    reach = arguments.count("size", size) // 2
    if size % 2 == 0:
        raise ValueError(f"size is {size}; wanted an odd number of taps, so that one is in the middle")
    taps = jnp.exp(-jnp.square(jnp.arange(-reach, reach + 1, dtype=jnp.float32) / sigma) / 2)
    taps = taps / taps.sum()
    return separable_blur.blur(maps, (taps, taps), (1, 2), "reflect")


def normalize(maps: Array) -> Float[Array, "b h w"]:
    """Maps as shares, each non-negative with sum 1: `out = max(maps, 0) / sum of max(maps, 0)`, in float32.

    A map [h w] without a positive number (of at least 1.2e-38), or with one that isn't finite in float32, says nothing
    about where to look: it becomes uniform. However large or small the numbers, their sum neither overflows nor
    vanishes.

    >>> normalize(jnp.array([[[1.0, 3.0]], [[0.0, 0.0]], [[jnp.nan, 1.0]]])).tolist()
    [[[0.25, 0.75]], [[0.5, 0.5]], [[0.5, 0.5]]]
    """
    positive = jnp.maximum(flat_unless_finite(_ranked(maps, 3, "maps").astype(jnp.float32)), 0)
    most = positive.max((1, 2), keepdims=True)
    # Moved to the middle of the range of float32 by a power of two, exactly: neither the sum nor one over it is lost.
    scale = jnp.where(most > 1, 2.0**-64, 2.0**64).astype(jnp.float32)
    scaled = jnp.where(most >= jnp.finfo(jnp.float32).tiny, positive * scale, 1)
    return scaled / scaled.sum((1, 2), keepdims=True)


def percentage(cam: Float[Array, "b n m"], height: int, width: int) -> Float[Array, "b h w"]:
    """SnapMix's semantic percentage maps: how much of what makes the label each pixel holds.

        out = (r - min r) / sum of (r - min r),   r = cam resized to height x width, bilinear

    Args:
        cam: class activation maps [b n m], of any size and sign.
        height: of the pictures.
        width: of the pictures.

    Returns:
        Maps [b h w], float32, not negative, of sum 1; uniform where cam is flat or holds a number that isn't finite.

    Raises:
        ValueError: maps that aren't [b n m].

    >>> percentage(jnp.array([[[1.0, 2.0], [3.0, 6.0]]]), 2, 2).tolist()
    [[[0.0, 0.125], [0.25, 0.625]]]
    """
    cam = _ranked(cam, 3, "cam").astype(jnp.float32)
    # The least number goes first, so that a flat map is exactly 0 whatever the rounding of the resizing.
    cam = cam - cam.min((1, 2), keepdims=True)
    shape = (cam.shape[0], height, width)
    resized = jax.image.resize(cam, shape, "bilinear", antialias=False, precision=jax.lax.Precision.HIGHEST)
    return normalize(resized - resized.min((1, 2), keepdims=True))


def peak(maps: Array) -> tuple[Int[Array, "b"], Int[Array, "b"]]:
    """Row and column of the largest number of each map [b h w], of the first of equals counted row by row.

    A map with a number that isn't finite is taken as uniform: its peak is the first pixel, as that of a flat map is.

    >>> [place.tolist() for place in peak(jnp.array([[[0.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, jnp.inf]]]))]
    [[1, 0], [0, 0]]
    """
    maps = flat_unless_finite(_ranked(maps, 3, "maps").astype(jnp.float32))
    index = jnp.argmax(maps.reshape(maps.shape[0], -1), 1).astype(jnp.int32)
    return index // maps.shape[2], index % maps.shape[2]


def flat_unless_finite(maps: Float[Array, "b n m"]) -> Float[Array, "b n m"]:
    """The maps, 0 where a map holds a number that isn't finite."""
    return jnp.where(jnp.isfinite(maps).all((1, 2), keepdims=True), maps, 0)


def _ranked(values: Array, rank: int, name: str) -> Array:
    values = jnp.asarray(values)
    if values.ndim != rank or 0 in values.shape:
        raise ValueError(f"{name} has shape {values.shape}; wanted [{'b h w c'[: 2 * rank - 1]}], none of them 0")
    return values
