"""Random calls of every public function: right values, or a ValueError of the library, nothing else.

    python tests/fuzz.py [--calls 10000] [--seed 0]
    python tests/fuzz.py --each [NAME ..]

Each call takes its arguments from what fits and, one in eight, from what doesn't: other types, ranks, dtypes, ranges.
With --each, every argument of every function (whose name starts so) is wrong in every way, one at a time. A warning of
JAX or NumPy is a fault too.
"""

import argparse
import collections
import functools
import inspect
import itertools
import pathlib
import sys
import tempfile
import traceback
import warnings

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from specimens import LEAVES_OUT_PIXELS, METHODS, SHARES_WITH_MANY, assert_weight_is_share

import jaxmix
from jaxmix import robustness
from jaxmix.robustness import mce

SHAPES = ((4, 8, 8, 3), (5, 12, 8, 1), (2, 9, 16, 3), (1, 8, 8, 3), (3, 1, 8, 2), (4, 2, 2, 3))
DTYPES = (np.float32, jnp.bfloat16, np.float16, np.uint8)
WRONG = (
    None, "abc", -1, 0, 2.5, True, float("nan"), float("inf"), 1e39, 2**40, [], (1, 2), [[1.0]], {"image": 3}, object(),
    np.zeros(3), np.zeros((2, 2), int), np.full((4, 8, 8, 3), -7.0, np.float32), np.zeros((4, 8, 8, 3), bool),
    np.zeros((4, 3, 32, 32), np.float32), np.array(["a"]), np.zeros((4, 8), np.float32), np.zeros((0, 8, 8, 3)),
    np.array(3), jax.random.key(0), jnp.full((4, 8, 8), jnp.nan),
)  # fmt: skip


def loss(x):
    return (x.astype(jnp.float32) ** 2).sum((1, 2, 3))


PACKAGES = (
    jaxmix, jaxmix.blocks, jaxmix.masks, jaxmix.partners, jaxmix.pixels, jaxmix.saliency, jaxmix.sampling,
    jaxmix.shifts, jaxmix.visualize, jaxmix.warps, robustness,
    *(module for name in robustness.__all__ if inspect.ismodule(module := getattr(robustness, name))),
)  # fmt: skip
# Called here as what they make, and what is no function of arrays.
MAKERS = {
    "sometimes": lambda key, batch, p: jaxmix.sometimes(jaxmix.cutmix, p)(key, batch),
    "one_of": lambda key, batch, probs: jaxmix.one_of([jaxmix.mixup, jaxmix.cutmix], probs)(key, batch),
    "split": lambda key, batch, shares: jaxmix.split(shares, [jaxmix.mixup, jaxmix.cutmix])(key, batch),
}
LEFT_OUT = {"per_device", "photographs"}


def public_functions():
    """Every public function by its name, with its package before it where that isn't jaxmix itself."""
    found = {}
    for package in PACKAGES:
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isroutine(value) and name not in LEFT_OUT:
                prefix = "" if package is jaxmix else package.__name__.split(".")[-1] + "."
                found[prefix + name] = MAKERS.get(name, value)
    return found


FUNCTIONS = public_functions()


class Calls:
    """Random calls, from one generator."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def choose(self, options):
        return options[self.random.integers(len(options))]

    def array(self, shape, dtype=np.float32):
        values = self.random.random(shape, np.float32)
        return jnp.asarray(values * 255 if dtype == np.uint8 else values, dtype)

    def fitting(self, shape, dtype):
        """What fits a batch of that shape, by the names of parameters."""
        b, h, w, c = shape
        images, maps, ids = self.array(shape, dtype), self.array((b, h, w)), self.random.integers(0, 4, b)
        partner = self.random.integers(0, b, b)
        mix = jaxmix.pair(partner, self.array((b, h, w)))
        share = float(self.random.random())
        ends = tuple(sorted((share, float(self.random.random()))))
        scores = np.asarray(self.array((200,)))
        shares = self.array((b,))
        return {
            "key": jax.random.key(int(self.random.integers(2**31))), "batch": self.choose([images, {"image": images}]),
            "features": images, "images": images, "x": images, "image": images[0], "gradient": images, "maps": maps,
            "saliency": maps, "attention": maps, "cam": maps, "labels": self.choose([ids, self.array((b, 4))]),
            "logits": self.array((b, 4)), "mix": mix, "mask": maps, "masks": maps, "partner": partner, "num_classes": 4,
            "alpha": self.choose([0.2, 1.0, 3.0]), "per_batch": self.choose([True, False]), "area": ends,
            "sigma": (0.1 + ends[0] / 2, 0.6), "k": 0.1 + share, "scale": (0.2, 0.9), "decay": 30 * share,
            "max_soft": share / 2, "cells": 1, "holes": 1, "size": share, "blocks": 1, "p": share,
            "probs": (share, 1.0), "shares": (0.5, 0.5), "weights": (1, 2, share, 0), "keep": share, "block": 2,
            "severity": int(1 + 5 * share),
            "name": self.choose(["fog", "contrast", "jpeg_compression", "lines"]), "constants": "cifar",
            "epsilon": share, "views": 2, "magnitude": 9.0, "number": 1, "bins": 15, "bin_size": 50,
            "label_smoothing": share, "ignore": None, "confidence": scores, "correct": (scores > 0.4).astype(int),
            "inside": scores, "outside": scores[:100], "boxes": np.array([[0, 0, w, h]] * b), "iou": (0.3, 0.5),
            "own": maps, "other": self.array((b, h, w)), "moved": self.array((b, h, w)), "share": shares,
            "shift": self.random.integers(-2, 3, (b, 2)), "shifts": self.random.integers(-2, 3, (b, 3, 2)),
            "prior": self.array((3,)), "vertical": self.array((b, h - 1, w)), "horizontal": self.array((b, h, w - 1)),
            "z": jnp.round(maps), "visible": maps > 0.5, "height": h, "width": w, "side": h, "draws": b, "n": 3,
            "center": (self.random.integers(0, h, b), self.random.integers(0, w, b)), "middle": shares,
            "sides": (self.random.integers(1, h + 1, b), self.random.integers(1, w + 1, b)),
            "noise": self.array((b, h, w // 2 + 1, 2)), "count": self.random.integers(0, h * w, b),
            "soft": self.random.integers(0, 3, b), "chosen": self.array((b, 2, 2)) > 0.5, "low": 0.1, "high": 0.9,
            "start": self.random.integers(0, h, b), "end": self.random.integers(0, h, b), "factor": 2 * share,
            "rows": self.array((b, h)), "columns": self.array((b, w)), "row": 1, "column": 1, "bits": 4, "slope": share,
            "degrees": 90 * share, "addition": 40, "pixels": 3 * share, "threshold": share,
            "kernel": self.array((c, 4)),
            "bias": self.array((4,)), "loss": loss, "ratio": 0.2 + 0.8 * shares, "top": np.zeros(b, int),
            "left": np.zeros(b, int), "steps": 2, "step": 0.1, "norm": "inf", "group": ids, "mixed": images,
            "predictions": self.random.integers(0, 4, (b, 3)), "backgrounds": images, "same": ids, "random": ids,
            "probabilities": jax.nn.softmax(self.array((b, 4))), "recall": share, "tpr": share,
            "temperature": 1 + share,
            "errors": {name: [share] * 5 for name in mce.ALEXNET[1]}, "normalizer": mce.ALEXNET, "clean": share,
            "substitutes": False, "std": 0.1 + share, "nearest": False, "iterations": 5, "new_size": (2 * h, 2 * w),
        }  # fmt: skip

    def particular(self, name, shape):
        """What fits this function, where the same name means something else elsewhere."""
        b, h, w, c = shape
        ids = self.random.integers(0, 4, b)
        soft_labels = not any(
            part in name for part in ("snapmix", "targets", "accuracy", "cross_entropy", "bce", "hit")
        )
        found = {"labels": ids} if soft_labels else {}
        return found | {
            "masks.brightest": {"image": self.array((b, h, w))},
            "masks.brightest_soft": {"image": self.array((b, h, w))},
            "masks.bump": {"sigma": 0.1 + self.array((b,))}, "masks.ramp": {"sigma": 0.1 + self.array((b,))},
            "masks.relative_ramp": {"sigma": 0.1 + self.array((b,))}, "partners.following": {"size": b},
            "partners.reverse": {"size": b}, "partners.shuffle": {"size": b},
            "saliency.smooth": {"sigma": 1.0, "size": 5},
            "occlusion.center": {"size": 4}, "occlusion.border": {"size": 4}, "occlusion.square": {"sides": (3, 5)},
            "localization.resize_boxes": {"size": (h, w)}, "shifts.sampled": {"share": 0.1},
            "pixels.cutout": {"side": 3},
            "jsd": {"logits": self.array((2, b, 4))}, "saliency.grad_cam": {"logits": lambda f: f.mean((1, 2))},
            "localization.all_regions": {"mask": np.asarray(self.array((h, w))) > 0.5},
            "localization.largest_region": {"mask": np.asarray(self.array((h, w))) > 0.5},
            "localization.pixel_average_precision": {"masks": np.asarray(self.array((b, h, w))) > 0.5, "step": 0.1},
            "localization.top_1_accuracy": {"correct": ids > 1, "iou": 0.5}, "localization.best_overlap": {"step": 0.1},
            "localization.max_box_accuracy": {"step": 0.1}, "calibration.temperature": {"low": 0.1, "high": 10.0},
            "detection.odin": {"low": 0.0, "high": 1.0}, "in_between.mixup": {"share": 0.5},
            "in_between.cutmix": {"share": 0.5}, "robustness.cam_share": {"window": jnp.round(self.array((b, h, w)))},
            "robustness.strong_edges": {"kind": self.choose(["frame", "noise", "image", "soft"]), "size": min(h, 2)},
            "robustness.few_shot": {
                "features": self.array((40, 6)), "labels": np.arange(40) % 4, "ways": 2, "shots": 2, "queries": 3,
                "episodes": 4,
            },
            "backgrounds.accuracy": {"predictions": ids}, "pixels.solarize": {"threshold": 128},
            "visualize.contact_sheet": {"count": min(b, 2), "tile": 32}, "comixup": {"threshold": 0.8},
            "sequences.perturb": {"name": self.choose(["brightness", "translate"])},
            "stability.flip_probability": {"noise": self.choose([True, False])},
            "stability.top5_distance": {"logits": self.array((b, 3, 4)), "noise": False},
            "stability.zipf_distance": {"logits": self.array((b, 3, 4)), "noise": True},
            "adversarial": {"step": 0.1}, "pixmix": {"mixing_set": self.array((3, h, w + 1, c)), "k": 2, "beta": 3.0},
            "patch_gaussian": {"width": (2.0, 5.0), "sigma": 0.5}, "patch_uniform": {"width": 3.0},
            "mixing_images": {"side": 8, "kinds": [jaxmix.methods.pixmix.noise]}, "random_autoaugment": {"pairs": 3},
            "puzzlemix": {"std": 1.0}, "masks.gaussian_center": {"std": 0.2},
            "sampling.scale_to": {"low": jnp.float32(0.1), "high": jnp.float32(0.9)},
            "sampling.uniform": {"low": jnp.float32(0.1), "high": jnp.float32(0.9)},
        }.get(name, {})  # fmt: skip

    def one(self):
        """A name, a call, and the batch's shape."""
        name = self.choose(list(FUNCTIONS))
        shape, dtype = self.choose(SHAPES), self.choose(DTYPES)
        fitting, options = self.fitting(shape, dtype) | self.particular(name, shape), {}
        positional = []
        for parameter in inspect.signature(FUNCTIONS[name]).parameters.values():
            required = parameter.default is parameter.empty
            if not required and (parameter.name not in fitting or self.random.random() < 0.5):
                continue
            value = fitting.get(parameter.name)
            if self.random.random() < 0.125:
                value = self.choose(WRONG)
            if parameter.kind is parameter.KEYWORD_ONLY:
                options[parameter.name] = value
            else:
                positional.append(value) if required else options.update({parameter.name: value})
        return name, functools.partial(FUNCTIONS[name], *positional, **options), shape


def assert_right(name, result, shape):
    """What holds of every result, whatever the arguments were that were accepted."""
    if name in METHODS or name in ("sometimes", "one_of", "split"):
        images, mix = result
        source, weight = np.asarray(mix.source), np.asarray(mix.weight)
        assert ((source >= 0) & (source < len(source))).all() and (source[:, 0] == np.arange(len(source))).all()
        assert np.isfinite(weight).all() and (weight >= 0).all() and len(images) == len(source)
        if name in METHODS and name not in SHARES_WITH_MANY | LEAVES_OUT_PIXELS:
            assert_weight_is_share(METHODS[name], mix, atol=1e-5)  # a float32 sum of up to 144 shares
    leaves = jax.tree.leaves(result)
    assert all(leaf.size for leaf in leaves if hasattr(leaf, "size"))


def fault_of(name, call, shape, accepted):
    """What is wrong with the outcome of a call, as a text, and whether it was an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = call()
        assert_right(name, result, shape)
    except accepted as error:
        text = str(error)
        ours = not isinstance(error, ValueError) or any(word in text for word in ("wanted", "needs", "needed"))
        return None if ours else f"{name}{_shown(call)}: {type(error).__name__}: {text}", True
    except Exception:
        lines = traceback.format_exc().splitlines(keepends=True)
        return f"{name}{_shown(call)}:\n" + "".join(
            [line for line in lines if "jaxmix" in line][-4:] + lines[-3:]
        ), True
    return None, False


def run(calls, seed, accepted=(ValueError,), show=lambda fault: None):
    """Make random calls: the number of results and of errors by function, and the faults as texts."""
    made, counts, faults = Calls(seed), collections.Counter(), []
    for number in range(calls):
        if number % 300 == 0:
            jax.clear_caches()  # programs of all these shapes and dtypes take gigabytes
        name, call, shape = made.one()
        fault, error = fault_of(name, call, shape, accepted)
        counts[name, "error" if error else "result"] += 1
        if fault:
            faults.append(fault)
            show(fault)
    return counts, faults


def each(prefixes=("",), show=lambda fault: None):
    """Make every argument wrong in every way, one at a time; the same of what `run` returns."""
    made, counts, faults, shape = Calls(0), collections.Counter(), [], (3, 12, 8, 3)
    chosen = [(name, function) for name, function in FUNCTIONS.items() if name.startswith(tuple(prefixes))]
    for number, (name, function) in enumerate(chosen):
        if number % 25 == 0:  # not at each, as they share most programs; all programs of all functions take gigabytes
            jax.clear_caches()
        fitting = made.fitting(shape, np.float32) | made.particular(name, shape)
        parameters = inspect.signature(function).parameters.values()
        for wrong, value in itertools.product(parameters, WRONG):
            given = {p: fitting.get(p.name) for p in parameters if p.default is p.empty} | {wrong: value}
            call = functools.partial(
                function,
                *[v for p, v in given.items() if p.default is p.empty and p.kind is not p.KEYWORD_ONLY],
                **{p.name: v for p, v in given.items() if p.default is not p.empty or p.kind is p.KEYWORD_ONLY},
            )
            fault, error = fault_of(name, call, shape, (ValueError,))
            counts[name, "error" if error else "result"] += 1
            if fault:
                faults.append(f"{wrong.name}: {fault}")
                show(faults[-1])
    return counts, faults


def _shown(call):
    def brief(value):
        return f"{value.dtype}{list(value.shape)}" if hasattr(value, "dtype") else repr(value)[:60]

    return f"({', '.join(map(brief, call.args))}, {', '.join(f'{k}={brief(v)}' for k, v in call.keywords.items())})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", nargs="*", metavar="NAME")
    options = parser.parse_args()
    jax.config.update("jax_disable_most_optimizations", True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        show = functools.partial(print, flush=True)
        if options.each is None:
            counts, faults = run(options.calls, options.seed, show=show)
        else:
            counts, faults = each(options.each or [""], show)
    errors = sum(n for (_, kind), n in counts.items() if kind == "error")
    results = sum(n for (_, kind), n in counts.items() if kind == "result")
    print(f"{results + errors} calls: {results} results, {errors} errors, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
