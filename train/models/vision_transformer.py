"""`vit-S16` and `deit-S16`: vision transformers on patches of 16x16 pixels, of size S = mu, ti, s or b.

Dosovitskiy et al., "An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021.
`vit-s16` is the form of Beyer, Zhai, Kolesnikov, "Better plain ViT baselines for ImageNet-1k", 2022: fixed
two-dimensional sine and cosine positions, and the mean over the patches in place of a class token. Its head is one
linear layer, which starts from 0; the configuration in big_vision has a hidden layer with tanh before it.
`deit-s16` is that of Touvron et al., "Training data-efficient image transformers & distillation through attention",
ICML 2021, without distillation, which timm calls deit_small_patch16_224: a class token, and learned positions of
14x14 patches. Another side of the patches is a part of the name: `vit-ti8`. Without dropout and stochastic depth.
"""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from .layers import Classifier, DType, Hidden, Network, unchanged

__all__ = ["SIZES", "Block", "VisionTransformer"]


class Size(NamedTuple):
    """Channels, blocks, and heads of each block."""

    width: int
    depth: int
    heads: int


SIZES = {"mu": Size(32, 1, 2), "ti": Size(192, 12, 3), "s": Size(384, 12, 6), "b": Size(768, 12, 12)}
GRID = 14  # patches along a side, where positions are learned: images of 224 pixels for patches of 16


class Attention(nnx.Module):
    """Self-attention of tokens [b t d], by softmax in float32. Returns the weights [b heads t t] as well."""

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.heads = heads
        # Of each third the variance is 1 / width, as Glorot's initialization gives a layer of its own.
        init = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
        self.qkv = nnx.Linear(width, 3 * width, kernel_init=init, dtype=dtype, rngs=rngs)
        self.proj = nnx.Linear(width, width, kernel_init=nnx.initializers.xavier_uniform(), dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        parts = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1)
        query, key, value = (parts[:, :, part] for part in range(3))
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * query.shape[-1] ** -0.5
        weights = jax.nn.softmax(scores.astype(jnp.float32))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(value.dtype), value)
        return self.proj(mixed.reshape(x.shape)), weights


class Mlp(nnx.Module):
    """A hidden layer of four times the width, with GELU."""

    def __init__(self, width: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        init = nnx.initializers.xavier_uniform()
        self.fc1 = nnx.Linear(width, 4 * width, kernel_init=init, dtype=dtype, rngs=rngs)
        self.fc2 = nnx.Linear(4 * width, width, kernel_init=init, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.fc2(jax.nn.gelu(self.fc1(x), approximate=False))


class Block(nnx.Module):
    """x plus the attention of norm(x), then plus the MLP of norm of that. Returns the attention weights as well."""

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs, dtype: DType) -> None:
        self.norm1 = nnx.LayerNorm(width, epsilon=1e-6, dtype=dtype, rngs=rngs)
        self.attn = Attention(width, heads, rngs=rngs, dtype=dtype)
        self.norm2 = nnx.LayerNorm(width, epsilon=1e-6, dtype=dtype, rngs=rngs)
        self.mlp = Mlp(width, rngs=rngs, dtype=dtype)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        moved, weights = self.attn(self.norm1(x))
        x = x + moved
        return x + self.mlp(self.norm2(x)), weights


class VisionTransformer(Network):
    """Images [b h w c] -> logits [b k]. Mixing points: 0 the input, 1 after the patch embeddings, then after each third
    of the blocks (of `mu` after its only block): maps [b n m d] of the patches.

    With a class token the features are that token, [b 1 1 d], and the points end at 1: later the token has seen the
    patches of its own image, and a mix of the patches alone would not be one of the labels.
    """

    def __init__(
        self,
        size: Literal["mu", "ti", "s", "b"],
        patch: int,
        num_classes: int,
        channels: int,
        *,
        class_token: bool = False,
        rngs: nnx.Rngs,
        dtype: DType,
    ) -> None:
        if patch < 1:
            raise ValueError(f"A vision transformer needs patches of 1 pixel or more a side, got {patch}.")
        width, depth, heads = SIZES[size]
        self.patch, self.dtype, self.class_token = patch, dtype, class_token
        self.smallest = GRID * patch if class_token else patch
        self.every = depth // 3 or 1
        self.points = 2 if class_token else 2 + depth // self.every
        self.embed = nnx.Conv(channels, width, (patch, patch), strides=patch, padding="VALID", dtype=dtype, rngs=rngs)
        normal = nnx.initializers.truncated_normal(0.02)
        self.token = nnx.Param(normal(rngs.params(), (1, 1, width))) if class_token else None
        self.positions = nnx.Param(normal(rngs.params(), (1, 1 + GRID * GRID, width))) if class_token else None
        self.blocks = nnx.List([Block(width, heads, rngs=rngs, dtype=dtype) for _ in range(depth)])
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, dtype=dtype, rngs=rngs)
        self.classifier = Classifier(width, num_classes, rngs=rngs, dtype=dtype)
        if not class_token:
            kernel = self.classifier.linear.kernel
            kernel[...] = jnp.zeros_like(kernel[...])

    def features(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> jax.Array:
        return self.features_and_attention(x, train=train, hidden=hidden, key=key)[0]

    def features_and_attention(
        self, x: jax.Array, *, train: bool, hidden: Hidden = unchanged, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """`features`, and how the last block attends to the patches, [b n m] in float32: the mean over its heads, of
        the class token or, without one, of all patches. The sum is 1 without a class token, below 1 with one.
        """
        del train, key
        self._check(x.shape)
        x = hidden(1, self._with_positions(self.embed(hidden(0, x))))
        sides, first = x.shape[1:3], int(self.class_token)
        tokens = x.reshape(x.shape[0], -1, x.shape[3])
        if self.token is not None and self.positions is not None:
            token = (self.token[...] + self.positions[:, :1]).astype(x.dtype)
            tokens = jnp.concatenate([jnp.broadcast_to(token, (len(tokens), *token.shape[1:])), tokens], 1)
        for position, block in enumerate(self.blocks, start=1):
            tokens, weights = block(tokens)
            if first == 0 and position % self.every == 0:
                tokens = hidden(1 + position // self.every, tokens.reshape(x.shape)).reshape(tokens.shape)
        tokens = self.norm(tokens)
        attending = weights[:, :, 0] if first else weights.mean(2)
        attention = attending.mean(1)[:, first:].reshape(-1, *sides)
        return (tokens[:, None, :1] if first else tokens.reshape(x.shape)), attention

    def _with_positions(self, x: jax.Array) -> jax.Array:
        """The patch embeddings [b n m d] plus their positions."""
        if self.positions is None:
            return x + sines_and_cosines(*x.shape[1:]).astype(x.dtype)
        return x + self.positions[:, 1:].reshape(1, *x.shape[1:]).astype(x.dtype)

    def _check(self, shape: tuple[int, ...]) -> None:
        height, width = shape[1:3]
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"The network takes patches of {self.patch}x{self.patch} pixels, and the images are {height}x{width}; "
                f"wanted sides that are multiples of {self.patch}."
            )
        if self.class_token and (height, width) != (self.smallest, self.smallest):
            raise ValueError(
                f"The network has learned positions of {GRID}x{GRID} patches, and the images are {height}x{width}; "
                f"wanted {self.smallest}x{self.smallest}."
            )


def sines_and_cosines(rows: int, columns: int, width: int) -> jax.Array:
    """Positions [1 rows columns width]: sin and cos of the column, then of the row, times width/4 frequencies from 1
    down to 1/10000 in equal ratios.
    """
    quarter = width // 4
    frequencies = jnp.exp(-math.log(10_000) * jnp.arange(quarter, dtype=jnp.float32) / max(quarter - 1, 1))
    along_columns = (jnp.arange(columns, dtype=jnp.float32)[:, None] * frequencies[None])[None]
    along_rows = (jnp.arange(rows, dtype=jnp.float32)[:, None] * frequencies[None])[:, None]
    waves = (jnp.sin(along_columns), jnp.cos(along_columns), jnp.sin(along_rows), jnp.cos(along_rows))
    shape = (rows, columns, quarter)
    return jnp.concatenate([jnp.broadcast_to(wave, shape) for wave in waves], -1)[None]
