"""The program that writes a run under torchvision's names."""

import json
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pretrained
import pytest
import safetensors.numpy
from flax import nnx
from safetensors import safe_open

import cifar
import export
import models
from models.imagenet_resnet import ImageNetResNet
from state import State

pytestmark = pytest.mark.unoptimized


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose program restores the network given."""

    def made(network, model):
        params, statistics = nnx.state(network, nnx.Param), nnx.state(network, nnx.BatchStat)
        average = nnx.state(nnx.clone(network), nnx.Param), statistics
        state = State(jnp.int32(1200), params, statistics, (), jnp.zeros(2), average)
        dataset = SimpleNamespace(mean=np.float32([0.5, 0.25, 0.75]), std=np.float32([0.5] * 3), classes=("a",) * 5)
        finished = SimpleNamespace(config=SimpleNamespace(model=model), dataset=dataset, graph=None, state=state)
        seen = {}

        def restore(folder, data_dir, *, best, limit):
            seen.update(folder=folder, data_dir=data_dir, best=best)
            return finished

        monkeypatch.setattr(cifar, "restore", restore)
        (tmp_path / "config.json").write_text(json.dumps({"program": "cifar"}))
        return seen

    return made


def test_a_run_is_written_by_torchvisions_names_with_its_normalization(run, tmp_path, capsys):
    network = pretrained.network("resnet18")
    seen = run(network, "resnet18")
    assert export.main([str(tmp_path), "--to", "torchvision", "--checkpoint", "best"]) == 0
    assert seen == {"folder": tmp_path, "data_dir": None, "best": True}
    path = tmp_path / "resnet18.safetensors"
    assert f"{path}: 122 arrays of resnet18 after step 1,200, by torchvision's names\n" in capsys.readouterr().out
    found = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(found["fc.weight"], np.asarray(network.classifier.linear.kernel[...]).T)
    with safe_open(path, "numpy") as file:
        about = {name: json.loads(text) for name, text in file.metadata().items() if name != "format"}
    assert about == {"model": "resnet18", "classes": 5, "mean": [0.5, 0.25, 0.75], "std": [0.5] * 3, "step": 1200}


@pytest.mark.parametrize(
    ("name", "model", "arguments", "message"),
    [
        ("resnet-8", "resnet-8", [], "resnet-8 can't be written: torchvision and timm have no names"),
        ("deit-mu2", "deit-mu2", [], "torchvision has no names for the parameters of deit-mu2; wanted --to timm"),
        ("resnet-8", "resnet-8", ["--out", "a.pth"], "wanted a name that ends in .safetensors"),
    ],
)
def test_what_cannot_be_written_ends_in_one_line(run, tmp_path, capsys, name, model, arguments, message):
    run(models.create(name, 5, 3, nnx.Rngs(0)), model)
    assert export.main([str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.glob("*.safetensors")) == []


def test_other_folders_and_programs_end_in_one_line(tmp_path, capsys):
    assert export.main([str(tmp_path)]) == 2
    assert "Wanted the folder of a run" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"program": "other"}')
    assert export.main([str(tmp_path)]) == 2
    assert "is of the program 'other'; wanted cifar" in capsys.readouterr().err


def test_other_stems_and_blurs_are_said(run, tmp_path, capsys):
    options = {"width": 2, "blur": True, "stem": "small"}
    run(ImageNetResNet(18, 5, 3, **options, rngs=nnx.Rngs(0), dtype=jnp.float32), "resnet18-blur")
    assert export.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "its stem is 3x3 without pooling" in printed and "a blur comes before its subsampling" in printed
