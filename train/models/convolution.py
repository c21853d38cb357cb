"""Convolution, whose gradient by the kernel is summed over parts of the batch on CPUs.

XLA's CPU kernel for it takes longer per image the larger the batch. For 3x3 kernels and 384 images on two
cores of an Intel Xeon, microseconds an image:

| channels, side | whole | parts of 32 | of 16 | of 8 |
|---|---|---|---|---|
| 16, 32 | 213 | 125 | 73 | 65 |
| 32, 16 | 194 | 68 | 62 | 73 |
| 64, 8 | 135 | 76 | 75 | 75 |
| 32, 32 | 865 | 733 | 336 | 251 |

Convolution itself and the gradient by the images take 40 to 60 us for the first three, whatever the batch.

In a loop, as in an attack of several steps, XLA's CPU compiler leaves the gradient by the images to a kernel that takes
15 times as long (32 channels, side 32, 100 images), unless the axes of the kernel are those of a forward convolution.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Images in a part. Each part is an operation to compile: resnet-8's step with AugMix takes 10 s with these, 15 with 16.
PART = 32


def convolve(x: jax.Array, kernel: jax.Array, *args: Any, **options: Any) -> jax.Array:
    """`jax.lax.conv_general_dilated` of images [b h w c]. With parts it has no forward derivative (`jax.jvp`)."""

    def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(x, kernel, *args, **options)

    # A part of a batch that is sharded would lie on one device; and bfloat16 sums should be rounded once.
    alone = jax.default_backend() == "cpu" and jax.device_count() == 1
    if alone and x.dtype == jnp.float32 and len(x) > PART:
        return by_parts(convolution, x, kernel, functools.partial(_swapped, args=args, options=options))
    return convolution(x, kernel)


def _swapped(x: jax.Array, kernel: jax.Array, *, args: tuple[Any, ...], options: dict[str, Any]) -> jax.Array:
    """The same convolution of a kernel whose last two axes are swapped; in its transpose they are in order."""
    numbers = options["dimension_numbers"]
    outputs, inputs, *sides = numbers.rhs_spec
    numbers = numbers._replace(rhs_spec=(inputs, outputs, *sides))
    other = options | {"dimension_numbers": numbers}
    return jax.lax.conv_general_dilated(x, jnp.swapaxes(kernel, 2, 3), *args, **other)


Convolution = Callable[[jax.Array, jax.Array], jax.Array]


def by_parts(
    convolution: Convolution, x: jax.Array, kernel: jax.Array, transposed: Convolution | None = None
) -> jax.Array:
    """`convolution(x, kernel)`; its gradient by the kernel is the sum of those of parts of x, and that by x is of
    `transposed`, the same convolution.
    """

    @jax.custom_vjp
    def convolved(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolution(x, kernel)

    def forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        return convolution(x, kernel), (x, kernel)

    def backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, kernel = saved
        (to_x,) = jax.linear_transpose(lambda x: (transposed or convolution)(x, kernel), x)(gradient)
        to_kernel = jnp.zeros_like(kernel)
        for start in range(0, len(x), PART):
            part, received = x[start : start + PART], gradient[start : start + PART]
            to_kernel += jax.linear_transpose(functools.partial(convolution, part), kernel)(received)[0]
        return to_x, to_kernel

    convolved.defvjp(forward, backward)
    return convolved(x, kernel)
