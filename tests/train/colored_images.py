"""Tiny made-up folders of images, and tiny networks for them."""

import jax
import numpy as np
from flax import nnx
from PIL import Image

from models.layers import Classifier, Conv, Network, Norm, unchanged

CLASSES = ("ant", "bee", "cat")


def write(root, train=8, test=4, side=20):
    """ROOT/train/CLASS/*.png and ROOT/val/CLASS/*.png: noise around a color of the class, from `side` pixels."""
    random = np.random.default_rng(0)
    colors = np.eye(3) * 120 + 60
    for split, count in (("train", train), ("val", test)):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                height, width = side + random.integers(0, 8, 2)
                pixels = random.normal(colors[label], 40, (height, width, 3)).clip(0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


class TwoStages(Network):
    """A stem and two stages of one convolution; mixing points: 0 the input, 1 the stem, 2 and 3 the stages."""

    points = 4

    def __init__(self, classes, channels, rngs):
        self.stem = Conv(channels, 4, 3, stride=2, rngs=rngs)
        self.norm = Norm(4, rngs=rngs)
        self.stages = nnx.List([Conv(4, 6, 3, rngs=rngs), Conv(6, 8, 3, stride=2, rngs=rngs)])
        self.classifier = Classifier(8, classes, rngs=rngs)

    def features(self, x, *, train, hidden=unchanged, key=None):
        x = hidden(1, jax.nn.relu(self.norm(self.stem(hidden(0, x)), train)))
        for point, stage in enumerate(self.stages, 2):
            x = hidden(point, jax.nn.relu(stage(x)))
        return x


def create(model, classes, channels, rngs, dtype, **options):
    """In place of `models.create`."""
    return TwoStages(classes, channels, rngs)
