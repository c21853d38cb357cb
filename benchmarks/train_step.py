"""What a training step costs with each method, relative to plain training.

    uv run --isolated --with-requirements requirements.lock --with-editable . \\
        python benchmarks/train_step.py [--model MODEL] [METHOD ...]

128 images of 32x32 (random ones: a step takes as long on any), steps of all methods interleaved in one process. Maps,
mixing, both passes and the update are all in the step. Beside it stands what AugMix's two views cost alone.
"""

import argparse
import functools
import pathlib
import sys
from collections.abc import Callable

import measure

measure.with_allocator()
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "train"))

import jax
import numpy as np

import cifar
import inputs
import jaxmix

METHODS = "saliencymix attentivemix snapmix sage puzzlemix comixup augmix".split()
BATCH, ROUNDS = 128, 9


def random_images() -> inputs.Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4 * BATCH, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, 4 * BATCH).astype(np.int32)
    names = tuple(map(str, range(10)))
    return inputs.Dataset("cifar10", images, labels, images, labels, names, (0.49,) * 3, (0.25,) * 3, 4, True)


def stepper(method: str, model: str, dataset: inputs.Dataset) -> Callable[[], jax.Array]:
    """A function that makes the next step of a training with the method."""
    config = cifar.Config(dataset="cifar10", method=method, model=model, batch_size=BATCH, epochs=1, steps_per_call=1)
    training = cifar.build(cifar.resolve(config, dataset), dataset)
    state = training.start()

    def step() -> jax.Array:
        nonlocal state
        state, metrics = training.functions.advance(state._replace(step=state.step % 4), 0, 1)
        return metrics

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description="What a training step costs.")
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--model", default="resnet-8")
    arguments = parser.parse_args()
    dataset = random_images()
    calls = {method: stepper(method, arguments.model, dataset) for method in ["none", *arguments.methods]}
    images = jax.numpy.asarray(dataset.train_images[:BATCH], jax.numpy.float32) / 255
    calls["AugMix's views alone"] = functools.partial(jax.jit(jaxmix.augmix_views), jax.random.key(0), images)
    times = measure.interleaved(calls, ROUNDS, 0.0)
    rows = {
        name: {"ms": measure.milliseconds(times[name])} | measure.ratios(times[name], times["none"]) for name in calls
    }
    name = "step" if arguments.model == "resnet-8" else f"step-{arguments.model}"
    path = measure.write(name, model=arguments.model, batch=BATCH, rounds=ROUNDS, results=rows)
    print(f"{measure.where()}, jax {jax.__version__}: {arguments.model}, {BATCH} images of 32x32, {ROUNDS} rounds\n")
    print("| method | ms a step | times plain training |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['ms']:.1f} | {row['ratio']:.3f} |")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
