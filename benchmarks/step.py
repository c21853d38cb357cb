"""What a training step costs with each method, relative to plain training.

    uv run --isolated --with-requirements requirements.lock --with-editable . \\
        python benchmarks/step.py [--model MODEL] [METHOD ...]

128 pictures of 32x32 (random ones: a step takes as long on any), steps of all methods interleaved in one process. Maps,
mixing, both passes and the update are all in the step. Beside it stands what AugMix's two views cost alone.
"""

import argparse
import functools
import pathlib
import sys

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


def pictures() -> inputs.Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4 * BATCH, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, 4 * BATCH).astype(np.int32)
    names = tuple(map(str, range(10)))
    return inputs.Dataset("cifar10", images, labels, images, labels, names, (0.49,) * 3, (0.25,) * 3, 4, True)


def stepper(method: str, model: str, dataset: inputs.Dataset):
    """A function that makes the next step of a training with the method."""
    config = cifar.Config(dataset="cifar10", method=method, model=model, batch_size=BATCH, epochs=1, steps_per_call=1)
    trainer = cifar.build(cifar.resolved(config, dataset), dataset)
    state, order = trainer.fresh(), trainer.order(0)

    def step():
        nonlocal state
        state, results = trainer.advance(state._replace(step=state.step % 4), order, 1)
        return results

    return step


def main():
    parser = argparse.ArgumentParser(description="What a training step costs.")
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--model", default="resnet-8")
    asked = parser.parse_args()
    dataset = pictures()
    calls = {method: stepper(method, asked.model, dataset) for method in ["none", *asked.methods]}
    images = jax.numpy.asarray(dataset.train_images[:BATCH], jax.numpy.float32) / 255
    calls["AugMix's views alone"] = functools.partial(jax.jit(jaxmix.augmix_views), jax.random.key(0), images)
    times = measure.interleaved(calls, ROUNDS, 0.0)
    rows = {
        name: {"ms": measure.milliseconds(times[name])} | measure.ratios(times[name], times["none"]) for name in calls
    }
    name = "step" if asked.model == "resnet-8" else f"step-{asked.model}"
    path = measure.write(name, model=asked.model, batch=BATCH, rounds=ROUNDS, results=rows)
    print(f"{measure.where()}, jax {jax.__version__}: {asked.model}, {BATCH} pictures of 32x32, {ROUNDS} rounds\n")
    print("| method | ms a step | times plain training |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['ms']:.1f} | {row['ratio']:.3f} |")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
