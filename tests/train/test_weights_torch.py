"""At full size beside torchvision and timm themselves, where they are installed: logits, files, and loading there."""

import argparse

import jax
import numpy as np
import pretrained
import pytest
from flax import nnx

import models
from models import weights

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

NETWORKS = {
    "resnet18": torchvision.models.resnet18,
    "resnet50": torchvision.models.resnet50,
    "deit-s16": lambda: timm.create_model("vit_small_patch16_224"),
}


def by_formula(network):
    """A network of theirs with the parameters of the formula."""
    named = network.state_dict()
    floats = {name: pretrained.formula(name, tuple(t.shape)) for name, t in named.items() if t.is_floating_point()}
    network.load_state_dict(named | {name: torch.from_numpy(array) for name, array in floats.items()})
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_files_are_theirs_and_the_network_goes_back(name, tmp_path):
    theirs, ours = by_formula(NETWORKS[name]()), models.create(name, 1000, 3, nnx.Rngs(0))
    named, path = theirs.state_dict(), tmp_path / "weights"
    spread = {"state_dict": {f"module.{key}": value for key, value in named.items()}, "args": argparse.Namespace(lr=1)}
    found = None
    for content, options in ((named, {}), (named, {"_use_new_zipfile_serialization": False}), (spread, {})):
        torch.save(content, path, **options)
        states = weights.load(path, ours)
        assert found is None or jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, states))
        found = states
    images = pretrained.uniform("images", (2, 224, 224, 3))
    graph = nnx.graphdef(ours)
    logits = jax.jit(lambda states, x: nnx.merge(graph, *states)(x, train=False))(found, images)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        expected = theirs(batch).numpy()
    largest = np.abs(expected).max()
    print(f"{name}: logits differ by {np.abs(logits - expected).max() / largest:.1e} of the largest, {largest:.3g}")
    np.testing.assert_allclose(logits, expected, atol=1e-5 * largest, rtol=0)

    back = {key: torch.from_numpy(array) for key, array in weights.to_torchvision(*found).items()}
    fresh = NETWORKS[name]()
    fresh.load_state_dict(back, strict=True)
    with torch.no_grad():
        np.testing.assert_array_equal(fresh.eval()(batch).numpy(), expected)
    if name == "resnet50":
        detector = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
        body = {key: value for key, value in back.items() if not key.startswith("fc.")}
        detector.backbone.body.load_state_dict(body, strict=True)


@pytest.mark.parametrize("kind", ["resnet50d", "seresnet50", "resnet50_gn"])
def test_other_networks_of_timm_are_refused(kind, tmp_path):
    torch.save(timm.create_model(kind).state_dict(), tmp_path / "weights.pth")
    shapes = nnx.eval_shape(lambda: models.create("resnet50", 1000, 3, nnx.Rngs(0)))
    with pytest.raises(ValueError, match="weights.pth isn't of this network"):
        weights.load(tmp_path / "weights.pth", shapes)


def test_a_pickled_model_is_refused_with_advice(tmp_path):
    torch.save(torchvision.models.resnet18(), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="it holds a whole model: load it where it was made, and save its state_dict"):
        weights.read(tmp_path / "weights.pth")
