"""Pretrained weights: their files, their names, logits as in torchvision and timm; and files that would do harm."""

import functools
import os
import pickle
import re
import zipfile
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pretrained
import pytest
import safetensors.numpy
from flax import nnx
from pretrained import Tensor

import models
from models import weights

pytestmark = pytest.mark.unoptimized

# Logits of the parameters and images of `pretrained`, by torch 2.13.0, torchvision 0.29.2 and timm 1.0.31:
# torchvision's ResNet with stages of 8 to 64 channels, and timm's VisionTransformer(img_size=28, patch_size=2,
# embed_dim=32, depth=1, num_heads=2), with load_state_dict of `pretrained.formula` and eval().
LOGITS = {
    "resnet18": [
        [-3.4465888, 9.7100754, 0.59459126, -2.2489927, 3.8018596],
        [-4.793179, 8.6096249, -1.6639155, -0.17519151, 2.3565977],
    ],
    "resnet50": [
        [-171.08295, 43.480869, 449.1037, 23.138248, -351.16275],
        [-120.84418, 48.791767, 362.91016, 8.4409218, -361.75879],
    ],
    "deit": [
        [-0.40594962, 0.03545671, -0.28959885, 0.67574948, -2.5154531],
        [-0.28613693, -0.17401999, -0.1587269, 0.79024041, -2.5805252],
    ],
}


@functools.cache
def by_formula(name):
    """PyTorch's names with the arrays of the formula."""
    network = pretrained.network(name)
    named = weights.to_torchvision(nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat))
    return {
        key: array if key.endswith("num_batches_tracked") else pretrained.formula(key, array.shape)
        for key, array in named.items()
    }


def saved(path, name="deit", **changes):
    """A safetensors file of a specimen, with other arrays."""
    arrays = {key: array for key, array in (by_formula(name) | changes).items() if array is not None}
    safetensors.numpy.save_file(arrays, path)
    return path


@pytest.mark.parametrize("name", LOGITS)
def test_logits_are_those_of_torchvision_and_timm(name, tmp_path):
    network = pretrained.network(name)
    params, statistics = weights.load(saved(tmp_path / "a.safetensors", name), network)
    graph = nnx.graphdef(network)
    logits = jax.jit(lambda params, statistics, x: nnx.merge(graph, params, statistics)(x, train=False))
    found = np.asarray(logits(params, statistics, pretrained.images(name)))
    # Rounding in float32: torch itself is within 1e-6 of the scale of its logits in float64.
    np.testing.assert_allclose(found, LOGITS[name], atol=1e-5 * np.abs(LOGITS[name]).max(), rtol=0)


@pytest.mark.parametrize("name", LOGITS)
def test_a_round_trip_keeps_every_bit_and_the_order_and_shapes_of_a_state(name, tmp_path):
    network = pretrained.network(name)
    states = nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat)
    weights.write(tmp_path / "a.safetensors", weights.to_torchvision(*states), {"model": name, "mean": [0.5, 1]})
    found = weights.load(tmp_path / "a.safetensors", network)
    assert jax.tree.structure(found) == jax.tree.structure(states)
    jax.tree.map(np.testing.assert_array_equal, found, states)
    arrays = by_formula(name)
    again = weights.to_torchvision(*weights.load(saved(tmp_path / "b.safetensors", name), network))
    assert again.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(again[key], array)
        assert again[key].flags.c_contiguous and again[key].dtype == array.dtype
    with safetensors.safe_open(tmp_path / "a.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt", "model": f'"{name}"', "mean": "[0.5, 1]"}


def test_names_are_torchvisions():
    assert {
        *("conv1.weight", "bn1.running_mean", "bn1.num_batches_tracked", "layer1.0.downsample.0.weight"),
        *("layer1.0.downsample.1.running_var", "layer3.5.conv3.weight", "layer4.2.bn3.bias", "fc.weight", "fc.bias"),
    } <= by_formula("resnet50").keys()
    assert len(by_formula("resnet50")) == 320 and len(by_formula("resnet18")) == 122
    assert by_formula("resnet50")["conv1.weight"].shape == (8, 3, 7, 7)
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.bias", "head.weight"} <= by_formula(
        "deit"
    ).keys()


# ---- files of torch.save


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file to write, while modules of PyTorch's names are there for `pickle`."""
    pretrained.torch_modules(monkeypatch)
    return tmp_path / "weights.pth"


def loaded(path):
    """The arrays of a specimen from its file, by name."""
    return weights.to_torchvision(*weights.load(path, pretrained.network("deit")))


def wrapped(arrays):
    """A checkpoint of a training on several devices."""
    named = pretrained.state_dict({f"module.{name}": array for name, array in arrays.items()})
    moments = {0: {"momentum_buffer": Tensor(np.ones(3, np.float32), "moment"), "step": 7}}
    groups = [{"lr": 0.1, "betas": (0.9, 0.999), "nesterov": False, "params": [0, 1]}]
    return {"epoch": 3, "best": None, "state_dict": named, "optimizer": {"state": moments, "param_groups": groups}}


@pytest.mark.parametrize("form", [pretrained.zipped, pretrained.legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "wrap",
    [pretrained.state_dict, wrapped, lambda arrays: {"model_ema": pretrained.state_dict(arrays), "model": None}],
    ids=["state_dict", "checkpoint", "average"],
)
def test_both_forms_of_torch_files_are_read_to_the_bit(form, wrap, path):
    path.write_bytes(form(wrap(by_formula("deit"))))
    for key, array in loaded(path).items():
        np.testing.assert_array_equal(array, by_formula("deit")[key])


def test_tensors_may_be_views_and_of_half_precision(path):
    arrays = by_formula("deit")
    named = pretrained.state_dict(arrays)
    whole = arrays["blocks.0.attn.proj.weight"]
    transposed = Tensor(whole.T.copy(), "view", shape=whole.shape, strides=(1, 32))
    shifted = Tensor(
        np.arange(40, dtype=np.float32), "tail", offset=8, shape=(32,), strides=(1,), rebuild="_rebuild_tensor"
    )
    half = Tensor(arrays["norm.bias"].astype(np.float16), "half")
    named |= {"blocks.0.attn.proj.weight": transposed, "norm.weight": shifted, "norm.bias": half}
    path.write_bytes(pretrained.zipped(named))
    found = loaded(path)
    np.testing.assert_array_equal(found["blocks.0.attn.proj.weight"], whole)
    np.testing.assert_array_equal(found["norm.weight"], np.arange(8, 40))
    np.testing.assert_array_equal(found["norm.bias"], arrays["norm.bias"].astype(np.float16).astype(np.float32))


class Call:
    """Pickled as a call."""

    def __init__(self, function, *arguments, state=None):
        self.made = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.made


def one(**options):
    """A state_dict of one tensor of 6 elements."""
    return OrderedDict(weight=Tensor(np.zeros(6, np.float32), "0", **options))


def nested(count, opening=b"]", closing=b"a"):
    """The pickle of lists in lists."""
    return b"\x80\x02" + opening * count + closing * (count - 1) + b"."


HARM = {
    "system": (lambda: {"a": Call(os.system, "touch harm")}, "it requests (posix|nt).system, which weights don't need"),
    "eval": (lambda: {"a": Call(eval, "open('harm', 'w')")}, "it requests __builtin__.eval"),
    "open": (lambda: Call(open, "harm", "w"), "it requests (_?io).open"),
    "getattr": (lambda: [Call(getattr, "", "join")], "it requests __builtin__.getattr"),
    "attributes": (lambda: {"a": Call(os.path.join, "a", state={"b": 1})}, "it requests posixpath.join"),
    "array": (lambda: {"a": np.zeros(3)}, "it requests numpy"),
    "key": (lambda: {(1, 2): 3}, "a key of the type tuple"),
    "set": (lambda: {"a": {1, 2}}, "it requests __builtin__.set"),
    "list": (lambda: [1, 2], "it holds a list; wanted a state_dict"),
    "nothing": (dict, "it has no arrays, nor a dictionary at state_dict, model, model_ema; its names are none"),
    "text": (lambda: one() | {"b": "c"}, "b is a str; wanted an array"),
    "integers": (lambda: OrderedDict(a=Tensor(np.zeros(3, np.int64), "0")), "a is of int64; wanted floats"),
    "beyond": (lambda: one(offset=1), "reaches beyond its storage '0' of 6 elements"),
    "stride": (lambda: one(shape=(2,), strides=(6,)), "reaches beyond its storage"),
    "negative": (lambda: one(offset=-1), "an offset, sizes or strides that don't suit"),
    "backward": (lambda: one(shape=(2,), strides=(-1,)), "sizes or strides of another type"),
    "repeated": (lambda: one(shape=(10**9,), strides=(0,)), "reaches beyond its storage"),
    "dimensions": (lambda: one(shape=(1,) * 9, strides=(1,) * 9), "don't suit each other"),
    "huge": (lambda: one(count=2**39, shape=(2**39,), strides=(1,)), "declares|another size|ends after"),
    "larger": (lambda: one(count=2**64, shape=(1,), strides=(1,)), "another type, key or size"),
    "deep": (lambda: nested(200_000), "it holds a list"),
    "deep tuples": (lambda: nested(200_000, b"(", b"t"), "it holds a tuple|from an empty stack"),
    "deep keys": (lambda: b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.", "a key of the type tuple"),
    "no end": (lambda: b"\x80\x02}", "no end|exhausted|ended"),
    "empty stack": (lambda: b"\x80\x02s.", "from an empty stack"),
    "unknown": (lambda: b"\x80\x04\x8f.", "the instruction EMPTY_SET, which weights don't need"),
    "never kept": (lambda: b"\x80\x02h\x05.", "takes what it hasn't kept"),
    "called data": (lambda: b"\x80\x02}\x85R.", "(something that has no name|empty stack)"),
    "changed function": (
        lambda: b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.",
        "sets attributes of something that isn't a dictionary",
    ),
}


@pytest.mark.parametrize("form", [pretrained.zipped, pretrained.legacy], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", HARM)
def test_a_file_that_is_not_one_of_weights_is_named_and_nothing_in_it_runs(kind, form, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = HARM[kind]
    path.write_bytes(form(make()))
    monkeypatch.setattr(pickle, "Unpickler", None)
    with pytest.raises(ValueError, match=f"weights.pth can't be read as weights: .*({message})"):
        weights.read(path)
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_broken_archives_are_named(path):
    good = pretrained.zipped(one())
    for content, message in (
        (good[: len(good) // 2], "broken zip archive"),
        (pretrained.zipped(one(), compression=zipfile.ZIP_DEFLATED), "compressed or encrypted members"),
        (pretrained.zipped(one(), byteorder=b"big"), "byte order"),
        (good.replace(b"archive/data/0", b"archive/data/1"), "data/0 is missing"),
        (good.replace(b"data.pkl", b"data.txt"), "without data.pkl in a folder"),
        (pretrained.legacy(one())[:-1], "ends after 23 of 24 bytes"),
        (b"", "neither of safetensors nor of torch.save"),
        (b"<!DOCTYPE html><html>not found</html>", "neither of safetensors nor of torch.save"),
        (b"\x10\0\0\0\0\0\0\0{", "can't be read as weights"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"weights.pth can't be read as weights: .*{message}|{message}"):
            weights.read(path)


@pytest.mark.parametrize("form", [pretrained.zipped, pretrained.legacy], ids=["zip", "legacy"])
def test_a_file_with_changed_bytes_is_read_or_refused_and_nothing_else(form, path):
    good, random, refused, read = form(one()), np.random.default_rng(0), 0, 0
    for _ in range(300):
        changed = bytearray(good)
        for position in random.integers(0, len(good), random.integers(1, 4)):
            changed[position] = random.integers(0, 256)
        path.write_bytes(changed)
        try:
            found = weights.read(path)
        except ValueError as error:
            found, reason = {}, str(error)
            refused += f"{path} can't be read as weights: " in reason
        assert all(array.dtype == np.float32 and array.size <= 6 for array in found.values())
        read += bool(found)
    assert refused > 100 and read > 10 and refused + read > 290  # the others hold no arrays


# ---- files of other networks


def test_a_file_of_another_network_is_refused_with_what_it_lacks(tmp_path):
    path, network = tmp_path / "a.safetensors", pretrained.network("resnet18")
    arrays = by_formula("resnet18")
    for changes, message in (
        ({"conv1.weight": None, "conv1.0.weight": arrays["conv1.weight"]}, "lacks 1 of its 102.*resnet50d and its kin"),
        ({"layer1.0.se.fc1.weight": arrays["fc.weight"]}, "1 others, the first layer1.0.se.fc1.weight.*squeeze"),
        ({"bn1.running_var": None}, "lacks 1 of its 102 arrays, the first bn1.running_var"),
        ({"conv1.weight": arrays["conv1.weight"][:, :, 2:5, 2:5]}, r"\[8, 3, 3, 3\]; wanted \[8, 3, 7, 7\].*stem"),
        ({"layer2.0.conv1.weight": np.zeros((16, 8, 1, 1), np.float32)}, "network of other sizes"),
        ({"fc.bias": np.zeros(9, np.float32)}, r"fc.bias is \[9\]; wanted \[5\]. It is of other classes"),
    ):
        saved(path, "resnet18", **changes)
        with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*{message}"):
            weights.load(path, network)
    saved(path, "deit", dist_token=np.zeros((1, 1, 32), np.float32))
    with pytest.raises(ValueError, match="a distilled DeiT"):
        weights.load(path, pretrained.network("deit"))
    with pytest.raises(ValueError, match="no_such_file is no file; wanted weights"):
        weights.load(tmp_path / "no_such_file", network)


def test_a_new_head_is_that_of_the_network_whatever_the_file_has(tmp_path):
    network = pretrained.network("resnet18")
    expected = network.classifier.linear.kernel[...]
    for changes in (
        {"fc.weight": np.zeros((9, 64), np.float32), "fc.bias": None},
        {"fc.weight": None, "fc.bias": None},
    ):
        path = saved(tmp_path / "a.safetensors", "resnet18", **changes)
        params, _ = weights.load(path, network, head="new")
        np.testing.assert_array_equal(params["classifier"]["linear"]["kernel"][...], expected)
        stem = by_formula("resnet18")["conv1.weight"].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(params["stem"]["kernel"][...], stem)


@pytest.mark.parametrize("name", ["resnet-8", "preact-resnet-18", "resnext-11-2x4", "vit-mu4", "wrn-10-1"])
def test_networks_that_torchvision_does_not_have_are_refused(name):
    shapes = nnx.eval_shape(lambda: models.create(name, 10, 3, nnx.Rngs(0)))
    with pytest.raises(ValueError, match="torchvision and timm have no names .*; wanted resnet18"):
        weights.to_torchvision(nnx.state(shapes, nnx.Param), nnx.state(shapes, nnx.BatchStat))


def test_parameters_in_other_precisions_become_float32(tmp_path):
    path = saved(tmp_path / "a.safetensors", **{"norm.bias": np.linspace(0, 1, 32).astype(np.float16)})
    params, _ = weights.load(path, pretrained.network("deit"))
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
