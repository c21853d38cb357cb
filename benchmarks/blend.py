"""What a method costs in the step, next to the bare expression that it computes.

    uv run --isolated --with-requirements requirements.lock --with-editable . python benchmarks/blend.py

All contenders of one size run interleaved in one process, in random order, round after round; the figure is the median
over rounds of the ratio to the bare blend `a * x + (1 - a) * x[partner]` with the same random draws, so the drift of a
busy machine cancels. Images and label weights are asked for; the mask isn't, so XLA never stores it. Keras' layers on
JAX, jitted, are measured in the same rounds (one share and one box for the whole batch there).
"""

import functools
import os

import measure

measure.with_allocator()
os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras

import jaxmix
from jaxmix import masks, partners, sampling

SIZES = [(256, 32, 32, 3), (64, 224, 224, 3)]
ROUNDS, SECONDS = 41, 0.03


def bare_mixup(key, x):
    """The expression by hand, with the draws of `jaxmix.mixup`."""
    share = sampling.beta(key, 1.0, x.shape[0])
    a = (1 - share)[:, None, None, None]
    return a * x + (1 - a) * x[partners.following(x.shape[0])], share


def bare_cutmix(key, x):
    """The same expression with the draws of `jaxmix.cutmix`: one value per image, the pixels its box covers."""
    share_key, center_key = jax.random.split(key)
    b, height, width, _ = x.shape
    share = sampling.beta(share_key, 1.0, b)
    rows, columns = masks.even_box(share, masks.uniform_center(center_key, b, height, width), height, width)
    covered = rows.sum(1) * columns.sum(1) / (height * width)
    a = (1 - covered)[:, None, None, None]
    return a * x + (1 - a) * x[partners.following(b)], covered


def only_images_and_weights(method):
    def run(key, x):
        images, mix = method(key, x)
        return images, mix.weight

    return run


METHODS = "mixup cutmix smoothmix_s smoothmix_c resizemix gridmix gridmixup cutout fmix".split()
CONTENDERS = {"bare, draws of mixup": bare_mixup, "bare, draws of cutmix": bare_cutmix}
CONTENDERS |= {name: only_images_and_weights(getattr(jaxmix, name)) for name in METHODS}


def keras_layer(layer):
    """A Keras layer as a function of images, its random state going through the jitted function."""
    state = layer.generator.state

    @jax.jit
    def run(seed, x, labels):
        with keras.StatelessScope(state_mapping=[(state, seed)]) as scope:
            mixed = layer({"images": x, "labels": labels}, training=True)
            return mixed["images"], mixed["labels"], scope.get_current_value(state)

    def call(key, x):
        return run(jax.random.key_data(key), x, jax.nn.one_hot(jax.numpy.arange(x.shape[0]) % 100, 100))

    return call


def measured(shape):
    """Milliseconds and the ratio to the bare blend of each contender, medians over the rounds."""
    key, x = jax.random.key(0), jax.random.uniform(jax.random.key(1), shape)
    functions = {name: jax.jit(function) for name, function in CONTENDERS.items()}
    functions["keras MixUp"] = jax.jit(keras_layer(keras.layers.MixUp(data_format="channels_last")))
    functions["keras CutMix"] = jax.jit(keras_layer(keras.layers.CutMix(data_format="channels_last")))
    calls = {name: functools.partial(function, key, x) for name, function in functions.items()}
    times = measure.interleaved(calls, ROUNDS, SECONDS)
    rows = {}
    for name in calls:
        bare = "bare, draws of cutmix" if name in ("cutmix", "keras CutMix") else "bare, draws of mixup"
        rows[name] = {"ms": measure.milliseconds(times[name])} | measure.ratios(times[name], times[bare])
    return rows


def main():
    results = {"x".join(map(str, shape)): measured(shape) for shape in SIZES}
    path = measure.write("blend", keras=keras.__version__, rounds=ROUNDS, results=results)
    print(
        f"{measure.where()}, jax {jax.__version__}, float32, median of {ROUNDS} interleaved rounds: "
        "ms (times the bare blend)\n"
    )
    print("| | " + " | ".join(results) + " |\n|---|" + "---|" * len(results))
    for name in next(iter(results.values())):
        cells = [f"{rows[name]['ms']:.3f} ({rows[name]['ratio']:.2f})" for rows in results.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
