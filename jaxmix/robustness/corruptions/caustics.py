"""Caustic refraction: an image in 0..1 seen through rippled water in light, for given samples; not yet clipped."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxmix.numerics import materialize
from jaxmix.pixels import separable_blur
from jaxmix.robustness.corruptions import distortions

__all__ = ["caustic_refraction", "light"]

# The pattern's places begin at -250, of which sines and cosines need the rest of whole turns.
_START, _ANGLE = np.float32(-250), np.float32(-250 + 80 * np.pi)
# The refractive index: the sine of the angle inside is that outside divided by it.
_INDEX = 4


def caustic_refraction(
    x: Float[Array, "b h w c"], field: Float[Array, "b h w"], lens: ArrayLike, brightness: ArrayLike
) -> Float[Array, "b h w c"]:
    """Displace the image as a surface with this relief refracts it, and add the slopes as light.

    With the differences v and h of the pixels below and above, right and left (0 outside), the normal is n = (v, h, 1)
    normalized; where it is steep, n_z < 0.999, a pixel moves by lens (n_y, n_x) (cos b - n_z / 4), rounded to 1/1000
    pixel: sin b = sin a / 4 for the angle a of the normal. Then brightness (v - h) is added.

    Args:
        x: [b h w c].
        field: the relief, see `light`.
        lens: pixels.
        brightness: of the light.
    """
    height, width = field.shape[1:]
    wide = jnp.pad(field, ((0, 0), (1, 1), (1, 1)))
    down, right = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1], wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
    steep = down * down + right * right
    upright = 1 / jnp.sqrt(steep + 1)
    sine = steep / (steep + 1)  # squared
    bend = upright * (jnp.sqrt(1 - sine / _INDEX**2) - upright / _INDEX)
    factor = jnp.where(upright < 0.999, lens * bend, 0)
    moves = [jnp.round(1000 * factor * slope) / 1000 for slope in (down, right)]
    rows = jnp.arange(height, dtype=jnp.float32)[None, :, None] + moves[0]
    columns = jnp.arange(width, dtype=jnp.float32)[None, None] + moves[1]
    return distortions.bilinear(x, rows, columns) + brightness * materialize(down - right)[..., None]


def light(time: Float[Array, "b"], scale: Float[Array, "b"], height: int, width: int) -> Float[Array, "b h w"]:
    """A net of light as on the ground of a pool, in 0..1, smoothed with a Gaussian of sigma 1.

    Args:
        time: T of each image.
        scale: the side of the pattern in pixels.
        height: of the image.
        width: of the image.
    """
    time = time[:, None, None]

    def turns(side: int) -> Float[Array, "b side"]:
        place = jnp.arange(side, dtype=jnp.float32)[None] / scale[:, None]
        return (place - jnp.floor(place)) * np.float32(6.28318530718)

    turn = (turns(height)[:, :, None], turns(width)[:, None])
    place = [part + _START for part in turn]
    start = jnp.broadcast_arrays(*[part + _ANGLE for part in turn])
    angle, total = list(start), jnp.ones((), jnp.float32)
    for n in range(5):
        now = time * np.float32(1 - 3.5 / (n + 1))
        angle = [
            materialize(start[0] + jnp.cos(now - angle[0]) + jnp.sin(now + angle[1])),
            materialize(start[1] + jnp.sin(now - angle[1]) + jnp.cos(now + angle[0])),
        ]
        inverse = jnp.square(0.005 * place[0] / jnp.sin(angle[0] + now))
        inverse = inverse + jnp.square(0.005 * place[1] / jnp.cos(angle[1] + now))
        total = total + 1 / jnp.sqrt(inverse)
    net = jnp.abs(1.17 - (total / 5) ** 1.4)
    net = jnp.square(jnp.square(jnp.square(net)))
    taps = separable_blur.gaussian(1.0).astype(np.float32)
    return separable_blur.blur(jnp.clip(net, 0, 1)[..., None], (taps, taps), (1, 2), "symmetric")[..., 0]
