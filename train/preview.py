"""mixed.png: the first batch that a training mixes."""

from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import NamedTuple

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, UInt8

import processes
from inputs.source import Batch, Source
from jaxmix import visualize
from jaxmix.mix import Mix
from jaxmix.mix_structures import identity
from recipes import views
from recipes.core import Mixing
from state import State
from step import Setup, make_views, prepare, saliency

__all__ = ["STEPS", "Preview", "first_mixed", "plot"]

# The number of batches that are searched for a mixed one: a method that mixes every second one has mixed some.
STEPS = 32


class Preview(NamedTuple):
    """A mixed batch: the images before and after, their mix, labels, and the saliency maps."""

    images: UInt8[Array, "b h w c"]
    mixed: UInt8[Array, "b h w c"]
    mix: Mix
    labels: Int[Array, "b"]
    maps: Float[Array, "b n m"] | None


def plot(setup: Setup, source: Source, key: jax.Array, state: State, path: Path, method: str) -> None:
    """Write the contact sheet of the first mixed batch, or print why there is none."""
    channels, recipe = source.image_shape[-1], setup.recipe
    if recipe.augmentation is None and recipe.views is None:
        print(f"no mixed.png: {method} mixes no images")
        return
    if channels not in (1, 3):
        print(f"no mixed.png: images of {channels} channels can't be plotted")
        return
    batch = first_mixed(setup, source, key, state)
    if not processes.first():
        return
    if batch is None:
        print(f"no mixed.png: no mixed batch found in the first {STEPS} steps")
        return
    if recipe.points != (0,):
        print(f"mixed.png shows {method} on the images; training mixes at the points {recipe.points}")
    if batch.maps is not None:
        print(f"mixed.png shows maps of the network after {int(state.step)} steps")
    images, mixed, mix, labels, maps = batch
    visualize.contact_sheet(images, mixed, mix, labels, maps=maps, names=source.classes).save(path)


def first_mixed(setup: Setup, source: Source, key: jax.Array, state: State) -> Preview | None:
    """The first batch that training mixes, with maps of the network as it is in the state.

    Taken at the end of the schedule, where a scheduled method is at full strength. None where nothing mixes images, or
    none of the first `STEPS` batches is mixed. `key` is that of the steps.
    """
    if setup.recipe.augmentation is None and setup.recipe.views is None:
        return None
    # Of several processes each has only its rows otherwise.
    whole = None
    if processes.several() and isinstance(setup.rows, NamedSharding):
        whole = NamedSharding(setup.rows.mesh, PartitionSpec())
    program = jax.jit(partial(_preview, setup), out_shardings=whole)
    batches = chain.from_iterable(source.batches(epoch) for epoch in count())
    for step, batch in enumerate(islice(batches, STEPS)):
        preview, before = jax.device_get(program(state, batch, key, step))
        if (before != preview.mixed).any():
            return preview
    return None


def _preview(
    setup: Setup, state: State, batch: Batch, key: jax.Array, step: Array
) -> tuple[Preview, UInt8[Array, "b h w c"]]:
    """The batch, its last view where it has several, and the same not mixed (nor a view, if nothing mixes)."""
    keys, images = prepare(setup, batch, jax.random.fold_in(key, step))
    maps = saliency(setup, state, images, batch.labels, keys.saliency).maps
    inputs, number = make_views(setup, images, keys.views)
    mixing = Mixing(setup.recipe._replace(points=(0,)), keys.mix, 1.0, setup.points, maps, number)
    last = [views.unfold(x, number)[-1] for x in (inputs, mixing(0, inputs))]
    original, before, mixed = (setup.preprocess.restore(x) for x in (images, *last))
    mix = identity(images.shape[0]) if mixing.mix is None else mixing.mix
    preview = Preview(original, mixed, mix, batch.labels, maps[0] if maps else None)
    return preview, original if setup.recipe.augmentation is None else before
