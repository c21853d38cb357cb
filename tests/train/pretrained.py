"""Specimens: parameters by formula, the files that `torch.save` would write of them, and narrow networks."""

import io
import pickle
import sys
import types
import zipfile
import zlib
from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.imagenet_resnet import ImageNetResNet
from models.vision_transformer import VisionTransformer

CLASSES = 5
MAGIC = 0x1950A86A20F9469CFC6C
# Networks an eighth as wide as the papers', and images of sides that no stride divides.
NETWORKS = {
    "resnet18": lambda rngs: ImageNetResNet(18, CLASSES, 3, width=8, rngs=rngs, dtype=jnp.float32),
    "resnet50": lambda rngs: ImageNetResNet(50, CLASSES, 3, width=8, rngs=rngs, dtype=jnp.float32),
    "deit": lambda rngs: VisionTransformer("mu", 2, CLASSES, 3, class_token=True, rngs=rngs, dtype=jnp.float32),
}
IMAGES = {"resnet18": (2, 75, 61, 3), "resnet50": (2, 75, 61, 3), "deit": (2, 28, 28, 3)}


def network(name):
    return NETWORKS[name](nnx.Rngs(0))


def uniform(name, shape):
    """Values in -1..1 that follow from the name and the position alone, by a hash of 32 bits."""
    x = np.arange(np.prod(shape, dtype=int), dtype=np.uint64) + zlib.crc32(name.encode())
    for _ in range(2):
        x = (x ^ (x >> np.uint64(16))) * np.uint64(0x45D9F3B) & np.uint64(0xFFFFFFFF)
    return ((x ^ (x >> np.uint64(16))) / 2**31 - 1).reshape(shape).astype(np.float32)


def formula(name, shape):
    """The parameter or statistic called `name` in PyTorch: kernels of variance 2 or 1 / inputs, others near 1 or 0."""
    values = uniform(name, shape)
    if len(shape) in (2, 4):
        return values * np.float32((3 * (2 if len(shape) == 4 else 1) / np.prod(shape[1:])) ** 0.5)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return 1 + values / 2
    return values / 5


def images(name):
    return uniform("images", IMAGES[name])


# ---- the files that torch.save would write, without torch


class Tensor:
    """Pickled as PyTorch pickles a tensor: a call of _rebuild_tensor_v2, with its storage as a persistent id."""

    def __init__(self, array, key, *, offset=0, count=None, shape=None, strides=None, rebuild="_rebuild_tensor_v2"):
        self.data, self.key = np.ascontiguousarray(array), key
        steps = [stride // self.data.itemsize for stride in self.data.strides]
        self.count = self.data.size if count is None else count
        self.call = (offset, self.data.shape if shape is None else shape, tuple(steps) if strides is None else strides)
        self.rebuild = rebuild

    def __reduce__(self):
        return getattr(sys.modules["torch._utils"], self.rebuild), (Storage(self), *self.call, False, OrderedDict())


class Storage:
    """Stands for the storage of a tensor."""

    def __init__(self, tensor):
        self.tensor = tensor


KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage", "float64": "DoubleStorage"}


def torch_modules(monkeypatch):
    """Modules of PyTorch's names, so that `pickle` can name what is in them."""
    for name in ("torch", "torch._utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for kind in KINDS.values():
        setattr(sys.modules["torch"], kind, type(kind, (), {"__module__": "torch"}))
    for rebuild in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        function = types.FunctionType((lambda *arguments: None).__code__, {}, rebuild)
        function.__module__, function.__qualname__ = "torch._utils", rebuild
        setattr(sys.modules["torch._utils"], rebuild, function)


def pickled(content, *, legacy=False):
    """The pickle of a content, and the tensors in it by key."""
    file, tensors = io.BytesIO(), {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, Storage):
                return None
            tensor = thing.tensor
            tensors[tensor.key] = tensor
            kind = getattr(sys.modules["torch"], KINDS[tensor.data.dtype.name])
            return ("storage", kind, tensor.key, "cpu", tensor.count) + ((None,) if legacy else ())

    Pickler(file, 2).dump(content)
    return file.getvalue(), tensors


def zipped(content, *, compression=zipfile.ZIP_STORED, byteorder=b"little"):
    """The zip form."""
    text, tensors = (content, {}) if isinstance(content, bytes) else pickled(content)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", text)
        archive.writestr("archive/byteorder", byteorder)
        for key, tensor in tensors.items():
            archive.writestr(f"archive/data/{key}", tensor.data.tobytes())
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


def legacy(content):
    """The form before torch 1.6."""
    text, tensors = (content, {}) if isinstance(content, bytes) else pickled(content, legacy=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(part, 2) for part in (MAGIC, 1001, system)] + [text, pickle.dumps(sorted(tensors), 2)]
    for key in sorted(tensors):
        parts += [(tensors[key].count % 2**64).to_bytes(8, "little"), tensors[key].data.tobytes()]
    return b"".join(parts)


def state_dict(arrays):
    """As the state_dict of a model."""
    return OrderedDict((name, Tensor(array, str(key))) for key, (name, array) in enumerate(arrays.items()))
