"""What a training step costs with each method, relative to plain training.

    uv run --isolated --with-requirements requirements.lock --with-editable . python benchmarks/step.py [METHOD ...]

resnet-8 on 128 pictures of 32x32 (random ones: a step takes as long on any), steps of all methods interleaved in one
process. Maps, mixing, both passes and the update are all in the step.
"""

import pathlib
import sys

import measure

measure.with_allocator()
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "train"))

import jax
import numpy as np

import cifar
import data

METHODS = "saliencymix attentivemix snapmix sage puzzlemix comixup".split()
MODEL, BATCH, ROUNDS = "resnet-8", 128, 9


def pictures() -> data.Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4 * BATCH, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, 4 * BATCH).astype(np.int32)
    names = tuple(map(str, range(10)))
    return data.Dataset("cifar10", images, labels, images, labels, names, (0.49,) * 3, (0.25,) * 3, 4, True)


def stepper(method: str, dataset: data.Dataset):
    """A function that makes the next step of a training with the method."""
    config = cifar.Config(dataset="cifar10", method=method, model=MODEL, batch_size=BATCH, epochs=1, steps_per_call=1)
    trainer = cifar.build(cifar.resolved(config, dataset), dataset)
    state, order = trainer.fresh(), trainer.order(0)

    def step():
        nonlocal state
        state, results = trainer.advance(state._replace(step=state.step % 4), order, 1)
        return results

    return step


def main():
    asked = sys.argv[1:] or METHODS
    dataset = pictures()
    calls = {method: stepper(method, dataset) for method in ["none", *asked]}
    times = measure.interleaved(calls, ROUNDS, 0.0)
    rows = {
        name: {"ms": measure.milliseconds(times[name])} | measure.ratios(times[name], times["none"]) for name in calls
    }
    path = measure.write("step", model=MODEL, batch=BATCH, rounds=ROUNDS, results=rows)
    print(f"{measure.where()}, jax {jax.__version__}: {MODEL}, {BATCH} pictures of 32x32, median of {ROUNDS} rounds\n")
    print("| method | ms a step | times plain training |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['ms']:.0f} | {row['ratio']:.2f} |")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
