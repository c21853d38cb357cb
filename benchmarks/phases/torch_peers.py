"""timm's and torchvision's Mixup and CutMix on the same device, next to the method of this library and to a copy.

Theirs mix batches [b c h w] and their labels; so does ours here, labels as dense targets. timm mixes in place.
"""

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

import jaxmix
import made_up
import measure
from items import MAIN, Context, Item, Program
from phases import copy

__all__ = ["items"]

CLASSES = 100
# Of each peer: its package, the method, and whether it draws once for the batch.
PEERS = {
    "timm mixup, batch": ("timm", "mixup", True),
    "timm mixup, elem": ("timm", "mixup", False),
    "timm cutmix, batch": ("timm", "cutmix", True),
    "timm cutmix, elem": ("timm", "cutmix", False),
    "torchvision mixup": ("torchvision", "mixup", True),
    "torchvision cutmix": ("torchvision", "cutmix", True),
}
MODULES = {"timm": "timm.data.mixup", "torchvision": "torchvision.transforms.v2"}


class Queued:
    """What jax.block_until_ready waits for after calls of torch, which are queued on its device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def block_until_ready(self) -> None:
        if self.device == "cuda":
            importlib.import_module("torch").cuda.synchronize()


def missing(package: str, platform: str) -> str | None:
    """Why a package can't be measured on a platform, or None."""
    try:
        torch = importlib.import_module("torch")
        importlib.import_module(MODULES[package])
    except Exception as error:  # a broken installation raises anything
        return f"{package} can't be imported ({type(error).__name__}: {error})"
    if platform == "gpu" and not torch.cuda.is_available():
        return f"{package}: this torch ({torch.__version__}) has no CUDA device"
    return None if platform in ("cpu", "gpu") else f"{package}: torch doesn't run on {platform}"


def transform(package: str, method: str, per_batch: bool) -> Callable[[Any, Any], Any]:
    """A function of images [b c h w] and class ids."""
    module = importlib.import_module(MODULES[package])
    if package == "torchvision":
        return {"mixup": module.MixUp, "cutmix": module.CutMix}[method](num_classes=CLASSES)
    return module.Mixup(
        mixup_alpha=float(method == "mixup"),
        cutmix_alpha=float(method == "cutmix"),
        mode="batch" if per_batch else "elem",
        label_smoothing=0.0,
        num_classes=CLASSES,
    )


def their_call(name: str, shape: list[int], dtype: str, device: str) -> Callable[[], Queued]:
    package, method, per_batch = PEERS[name]
    torch = importlib.import_module("torch")
    channels_first = made_up.levels(*shape[:2]).transpose(0, 3, 1, 2).copy()
    x = torch.from_numpy(channels_first).to(device)
    x = x if dtype == "uint8" else (x.float() / 255).to(getattr(torch, dtype))
    y = torch.arange(shape[0], device=device) % CLASSES
    mixing, done = transform(package, method, per_batch), Queued(device)

    def call() -> Queued:
        mixing(x, y)
        return done

    return call


def ours(name: str, shape: list[int], dtype: str) -> dict[str, Program]:
    """The method of this library, with dense targets."""
    _, method, per_batch = PEERS[name]

    def mixed(key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        images, mix = getattr(jaxmix, method)(key, x, per_batch=per_batch)
        return images, jaxmix.targets(mix, y, CLASSES)

    def arguments() -> tuple[Any, ...]:
        return jax.random.key(1), made_up.images(*shape[:2], dtype), made_up.labels(shape[0], CLASSES)

    return {"jaxmix": Program(mixed, arguments)}


def items(context: Context) -> Iterator[Item]:
    absent = {package: missing(package, context.platform) for package in MODULES}
    context.notes.extend(reason for reason in absent.values() if reason)
    for shape, dtype in copy.cells(context):
        for name, (package, _, _) in PEERS.items():
            if absent[package] or (context.smoke and package == "torchvision"):
                continue
            setting = {"shape": shape, "dtype": dtype, package: importlib.import_module(package).__version__}
            made = functools.partial(ours, name, shape, dtype)
            result = functools.partial(measured, context, name, shape, dtype)
            yield Item("mix", name, setting, MAIN, 3.0, made, result)


def measured(
    context: Context, name: str, shape: list[int], dtype: str, programs: Mapping[str, Program]
) -> dict[str, Any]:
    """Milliseconds of both, how many times as long theirs take, and their share of a copy's bandwidth."""
    theirs = their_call(name, shape, dtype, "cuda" if context.platform == "gpu" else "cpu")
    try:
        theirs()
    except (RuntimeError, TypeError) as error:
        return {"unsupported": str(error).splitlines()[0]}
    program = programs["jaxmix"]
    function, _ = measure.compiled(program.function, *program.arguments())
    calls: dict[str, Callable[[], Any]] = {
        "theirs": theirs,
        "jaxmix": functools.partial(function, *program.arguments()),
        "copy": copy.copying(tuple(shape), dtype)["once"],
    }
    times = measure.interleaved(calls, context.rounds, context.spend, queue=context.queue)
    moved = 3 * copy.size(shape, dtype)
    return {
        "ms": measure.milliseconds(times["theirs"]),
        "jaxmix_ms": measure.milliseconds(times["jaxmix"]),
        "times_jaxmix": measure.ratios(times["theirs"], times["jaxmix"])["ratio"],
        "share_of_copy": copy.share_of_copy(moved, shape, dtype, times["theirs"], times["copy"]),
        "jaxmix_share_of_copy": copy.share_of_copy(moved, shape, dtype, times["jaxmix"], times["copy"]),
    }
