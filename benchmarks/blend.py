"""What a method costs in the step, next to the bare expression that it computes.

    uv run --isolated --with-requirements requirements.lock --with-editable . python benchmarks/blend.py

All contenders of one size run interleaved in one process, in random order, round after round; the figure is the median
over rounds of the ratio to the bare blend `a * x + (1 - a) * x[partner]` with the same random draws, so the drift of a
busy machine cancels. Images and label weights are asked for; the mask isn't, so XLA never stores it. Keras' layers on
JAX, jitted, are measured in the same rounds (one share and one box for the whole batch there).

Further tables: one draw for the batch, bfloat16 and uint8, each next to the bare expression in the same dtype (uint8:
blended in float32 and rounded), and the memory of the compiled program; how the time grows with the batch and the
side; and the random words a sample. `--only main variants growth words` runs some of them; the others are kept as the
last run left them.
"""

import argparse
import functools
import json
import math
import os

import measure

measure.with_allocator()
os.environ["KERAS_BACKEND"] = "jax"

import jax
import jax.numpy as jnp
import keras

import jaxmix
import random_words
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


def bare_in(key, x):
    """`bare_mixup` in the dtype of the images; uint8 is blended in float32 and rounded to nearest."""
    share = sampling.beta(key, 1.0, x.shape[0])
    wide = jnp.float32 if x.dtype == jnp.uint8 else x.dtype
    a, other = (1 - share)[:, None, None, None].astype(wide), x[partners.following(x.shape[0])]
    mixed = a * x.astype(wide) + (1 - a) * other.astype(wide)
    return (jnp.round(mixed) if x.dtype == jnp.uint8 else mixed).astype(x.dtype), share


def images_of(shape, dtype):
    uniform = jax.random.uniform(jax.random.key(1), shape)
    return (uniform * 255).astype(dtype) if dtype == jnp.uint8 else uniform.astype(dtype)


VARIANTS = {
    "float32": (jnp.float32, {}),
    "per batch": (jnp.float32, {"per_batch": True}),
    "bfloat16": (jnp.bfloat16, {}),
    "uint8": (jnp.uint8, {}),
}


def memory_of(program):
    """Bytes that a compiled program takes beside its arguments: for what it computes on the way, and its results."""
    memory = program.memory_analysis()
    return memory.temp_size_in_bytes + memory.output_size_in_bytes


def variants_of(shape):
    """Of each method and variant the ratio to the bare blend in its dtype, and the program's memory, by its output."""
    rows: dict = {name: {} for name in ("bare", *METHODS)}
    for variant, (dtype, options) in VARIANTS.items():
        key, x = jax.random.key(0), images_of(shape, dtype)
        methods = {name: functools.partial(getattr(jaxmix, name), **options) for name in METHODS}
        functions = {"bare": bare_in} | {name: only_images_and_weights(method) for name, method in methods.items()}
        programs = {name: jax.jit(function).lower(key, x).compile() for name, function in functions.items()}
        calls = {name: functools.partial(program, key, x) for name, program in programs.items()}
        times = measure.interleaved(calls, ROUNDS, SECONDS)
        for name, program in programs.items():
            row = {"ms": measure.milliseconds(times[name]), "memory": memory_of(program) / x.nbytes}
            rows[name][variant] = row | measure.ratios(times[name], times["bare"])
    return rows


GROWING = "bare mixup cutmix resizemix gridmix fmix".split()
GROWTH = {
    "batch, 32 px": [(n, 32, 32, 3) for n in (64, 256, 1024)],
    "side, batch 64": [(64, side, side, 3) for side in (32, 64, 128, 224)],
}


def growth_of(shapes):
    """Milliseconds at each size, and the slope of log time over log size, from the smallest to the largest."""
    functions = {name: only_images_and_weights(getattr(jaxmix, name)) for name in GROWING if name != "bare"}
    functions = {name: jax.jit(function) for name, function in ({"bare": bare_in} | functions).items()}
    batches = {shape: images_of(shape, jnp.float32) for shape in shapes}
    key = jax.random.key(0)
    calls = {
        f"{name} {shape}": functools.partial(functions[name], key, batches[shape])
        for name in GROWING
        for shape in shapes
    }
    times = measure.interleaved(calls, max(3, ROUNDS // 3), SECONDS)
    rows = {}
    for name in GROWING:
        cost = [measure.milliseconds(times[f"{name} {shape}"]) for shape in shapes]
        slope = math.log(cost[-1] / cost[0]) / math.log(math.prod(shapes[-1]) / math.prod(shapes[0]))
        rows[name] = {"x".join(map(str, shape)): ms for shape, ms in zip(shapes, cost, strict=True)} | {"slope": slope}
    return rows


def table(head, rows):
    print(f"\n| | {' | '.join(head)} |\n|---|" + "---|" * len(head))
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def show(results):
    """Print the tables of what has been measured."""
    if "main" in results:
        sizes = results["main"]
        print(f"\nfloat32, median of {ROUNDS} interleaved rounds: ms (times the bare blend)")
        cells = {
            name: [f"{rows[name]['ms']:.3f} ({rows[name]['ratio']:.2f})" for rows in sizes.values()]
            for name in next(iter(sizes.values()))
        }
        table(sizes, cells)
    for size, rows in results.get("variants", {}).items():
        print(f"\n{size}, times the bare blend in the same dtype (memory of the program, by that of the images)")
        form = "{ratio:.2f} ({memory:.1f})".format_map
        table(VARIANTS, {name: [form(row[variant]) for variant in VARIANTS] for name, row in rows.items()})
    for what, rows in results.get("growth", {}).items():
        print(f"\nms by {what}, and the slope of log time over log size")
        table(rows["bare"], {name: [f"{value:.3g}" for value in row.values()] for name, row in rows.items()})
    if "words" in results:
        sides = list(results["words"])
        print("\nrandom words of 32 bits a sample")
        table(sides, {name: [f"{results['words'][side][name]:g}" for side in sides] for name in METHODS})


PHASES = {
    "main": lambda: {"x".join(map(str, shape)): measured(shape) for shape in SIZES},
    "variants": lambda: {"x".join(map(str, shape)): variants_of(shape) for shape in SIZES},
    "growth": lambda: {what: growth_of(shapes) for what, shapes in GROWTH.items()},
    "words": lambda: {
        f"{side} px": {name: random_words.words_a_sample(getattr(jaxmix, name), side) for name in METHODS}
        for side in (32, 224)
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PHASES, default=list(PHASES))
    wanted = parser.parse_args().only
    file = measure.RESULTS / f"blend-{jax.devices()[0].platform}.json"
    earlier = json.loads(file.read_text()) if file.exists() else {}
    kept = earlier if earlier.get("device") == measure.where() and earlier.get("jax") == jax.__version__ else {}
    results = {phase: kept[phase] for phase in PHASES if phase in kept and phase not in wanted}
    for phase in wanted:
        results[phase] = PHASES[phase]()
    path = measure.write("blend", keras=keras.__version__, rounds=ROUNDS, **results)
    print(f"{measure.where()}, jax {jax.__version__}")
    show(results)
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
