"""Between networks here and the names that torchvision and timm give the same parameters."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from .files import read

__all__ = ["load", "to_torchvision"]

# Of a parameter, as flax gives it: ("stages", 0, 1, "norm2", "scale").
Place = tuple[Any, ...]
# torchvision's names, and timm's of vision transformers, for the layers here: of a layer, its name there.
RESNET = {
    "stem": "conv1",
    "norm": "bn1",
    "norm1": "bn1",
    "norm2": "bn2",
    "norm3": "bn3",
    "shortcut": "downsample.0",
    "shortcut_norm": "downsample.1",
}
VIT = {"embed": "patch_embed.proj", "token": "cls_token", "positions": "pos_embed"}
LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
HEADS = {"resnet": "fc", "vit": "head"}
# What a name shows about a file of another network.
HINTS = {
    "conv1.0.": "resnet50d and its kin, whose stem has three convolutions",
    "dist_token": "a distilled DeiT, which has a second head",
    "fc_norm.": "a vision transformer with a norm after its pooling",
    "encoder.layers.": "torchvision's vision transformers: timm's vit_small_patch16_224 and kin are the ones read here",
    "se.": "a network with squeeze and excitation",
    "backbone.": "a detection or segmentation model",
    "cls_token": "a vision transformer with a class token, --model deit-s16 or another deit-SP",
    "downsample.1.": "a residual network",
}


class Layout(NamedTuple):
    """The names of a network's parameters and statistics: of each path here, that in the file, and the head's."""

    names: dict[Place, str]
    head: str


def load(path: Path, network: nnx.Module, *, head: Literal["keep", "new"] = "keep") -> tuple[nnx.State, nnx.State]:
    """The parameters and the batch statistics of `network` from a file of torchvision's or timm's.

    With `head="new"` the last layer stays that of the network, so that the classes may be others. Of a network from
    `nnx.eval_shape` only shapes are read, and `head="new"` isn't possible.
    Raises ValueError naming the file if it doesn't hold exactly the parameters of this network.
    """
    arrays = read(path)
    params, statistics = nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat)
    layout = _layout(params, statistics)
    _check_names(path, arrays, layout, head)
    return _filled(path, params, arrays, layout, head), _filled(path, statistics, arrays, layout, head)


def to_torchvision(params: nnx.State, statistics: nnx.State) -> dict[str, np.ndarray]:
    """The arrays of a network under the names of torchvision's ResNets, or of timm's vision transformers.

    Raises ValueError for a network that neither has.
    """
    layout, arrays = _layout(params, statistics), {}
    for state in (params, statistics):
        for place, leaf in nnx.to_flat_state(state):
            name, array = layout.names[place], np.asarray(leaf[...], np.float32)
            arrays[name] = np.ascontiguousarray(array.transpose(_axes(place, array.ndim)[1]))
            if place[-1] == "var":
                arrays[name.replace("running_var", "num_batches_tracked")] = np.zeros((), np.int64)
    return arrays


def _layout(params: nnx.State, statistics: nnx.State) -> Layout:
    """The names of a network of these parameters. Raises ValueError if there are none."""
    leaves = {place: leaf for state in (params, statistics) for place, leaf in nnx.to_flat_state(state)}
    if ("positions",) in leaves:
        return Layout({place: _vit_name(place) for place in leaves}, HEADS["vit"])
    # Basic blocks of four stages, or bottleneck blocks; other networks here differ in one of these.
    like_imagenet = ("stages", 3, 0, "shortcut_norm", "scale") in leaves and ("stages", 4, 0) not in leaves
    if not like_imagenet:
        raise ValueError(
            "torchvision and timm have no names for the parameters of this network; wanted resnet18, resnet34, "
            "resnet50, resnet101, resnet152 (-blur, any stem) or deit-s16."
        )
    return Layout({place: _resnet_name(place) for place in leaves}, HEADS["resnet"])


def _resnet_name(place: Place) -> str:
    """("stages", 0, 1, "norm2", "scale") is layer1.1.bn2.weight."""
    leaf = LEAVES.get(str(place[-1]), str(place[-1]))
    if place[0] == "classifier":
        return f"{HEADS['resnet']}.{leaf}"
    if place[0] != "stages":
        return f"{RESNET[str(place[0])]}.{leaf}"
    _, stage, block, layer, _ = place
    return f"layer{int(stage) + 1}.{block}.{RESNET.get(str(layer), layer)}.{leaf}"


def _vit_name(place: Place) -> str:
    """("blocks", 3, "attn", "qkv", "kernel") is blocks.3.attn.qkv.weight."""
    if place[0] == "classifier":
        return f"{HEADS['vit']}.{LEAVES.get(str(place[-1]), place[-1])}"
    layers = [VIT.get(str(part), str(part)) for part in place]
    return ".".join([*layers[:-1], LEAVES.get(layers[-1], layers[-1])])


def _axes(place: Place, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The orders of axes from the file and to it: a kernel here is [h w in out] or [in out], there out and in lead."""
    if place[-1] != "kernel":
        return (tuple(range(ndim)),) * 2
    return ((2, 3, 1, 0), (3, 2, 0, 1)) if ndim == 4 else ((1, 0), (1, 0))


def _check_names(path: Path, arrays: dict[str, np.ndarray], layout: Layout, head: str) -> None:
    """Raises ValueError unless the file has the names of the network."""

    def counted(name: str) -> bool:
        return head == "keep" or not name.startswith(f"{layout.head}.")

    wanted = {name for name in layout.names.values() if counted(name)}
    unknown = sorted(name for name in arrays if name not in wanted and counted(name))
    missing = sorted(wanted - arrays.keys())
    if not unknown and not missing:
        return
    found = []
    if missing:
        found.append(f"it lacks {len(missing)} of its {len(wanted)} arrays, the first {missing[0]}")
    if unknown:
        found.append(f"it has {len(unknown)} others, the first {unknown[0][:80]}")
    hint = next((f" It seems to be of {kind}." for mark, kind in HINTS.items() if any(mark in n for n in unknown)), "")
    raise ValueError(f"{path} isn't of this network: {'; '.join(found)}.{hint}")


def _filled(path: Path, state: nnx.State, arrays: dict[str, np.ndarray], layout: Layout, head: str) -> nnx.State:
    """The state with the arrays of the file."""
    filled = []
    for place, leaf in nnx.to_flat_state(state):
        name = layout.names[place]
        if head == "new" and name.startswith(f"{layout.head}."):
            filled.append((place, leaf))
            continue
        array = arrays[name]
        to_here, to_file = _axes(place, len(leaf.shape))
        wanted = tuple(leaf.shape[axis] for axis in to_file)
        if array.shape != wanted:
            raise ValueError(f"{path}: {name} is {list(array.shape)}; wanted {list(wanted)}.{_advice(name, layout)}")
        filled.append((place, leaf.replace(jnp.asarray(array.transpose(to_here)))))
    return nnx.from_flat_state(filled)


def _advice(name: str, layout: Layout) -> str:
    if name.startswith(f"{layout.head}."):
        return " It is of other classes: request a new head."
    return " Its stem is another: large takes 7x7." if name == "conv1.weight" else " It is of a network of other sizes."
