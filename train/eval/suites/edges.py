"""Strong edges: error and class activation maps on images with a pasted window (Lee et al., SmoothMix, 2020)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from eval import figures
from eval.load_run import Trained, error
from eval.results import Section
from eval.suites.base import Measurements, Options, Program, Suite, Table, percent, require_maps
from jaxmix import saliency
from jaxmix.dtypes import to_unit
from jaxmix.robustness import cam_share, strong_edges
from jaxmix.robustness.edges import KINDS, Kind

__all__ = ["SUITE"]

IMAGES = 1000
EIGHTHS = (1, 2, 3, 4)  # of the shorter side
EXAMPLES = "edges_examples.png"


def settings(options: Options) -> dict[str, Any]:
    """The number of images and the sizes of the windows."""
    return {"windowed": IMAGES, "eighths of the side": list(EIGHTHS)}


def measure(trained: Trained, section: Section, options: Options) -> None:
    """The error, and the share of the true class's map inside the window, for every kind and size of window."""
    images, labels = trained.some(IMAGES)
    require_maps(trained)
    rows, key = np.arange(len(images), dtype=np.int32), jax.random.key(options.seed)

    def windowed(x: Array, row: Int[Array, "b"], size: Array, kind: Kind) -> tuple[Array, Array]:
        # The same windows for every kind of one size.
        own = jax.random.fold_in(jax.random.fold_in(key, row[0]), jnp.round(8 * size).astype(jnp.int32))
        return strong_edges(own, to_unit(x), kind, size)

    def shares(x: Array, label: Array, row: Array, maps: Array, size: Array, kind: Kind) -> Float[Array, "b 3"]:
        pasted, window = windowed(x, row, size, kind)
        wrong = (trained.network(pasted).argmax(1) != label).astype(jnp.float32)
        return jnp.stack([wrong, cam_share(_maps(trained, pasted, label), window), cam_share(maps, window)], 1)

    section.once("clean", lambda: error(trained.logits(images), labels))
    section.once("images", lambda: len(images))
    clean_maps: list[np.ndarray] = []
    side = min(images.shape[1:3])
    for kind in KINDS:
        program = jax.jit(partial(shares, kind=kind))
        for eighths in EIGHTHS:
            size = max(round(side * eighths / 8), 1)
            name = f"{kind} {size}"

            def at_size(program: Program = program, size: int = size, name: str = name) -> dict[str, float]:
                if not clean_maps:
                    own = jax.jit(lambda x, label: _maps(trained, to_unit(x), label))
                    clean_maps.append(trained.batched(own, images, labels, title="class activation maps"))
                columns = trained.batched(
                    lambda *batch: program(*batch, jnp.float32(size)), images, labels, rows, clean_maps[0], title=name
                )
                return _summarized(columns.astype(np.float64), (size**2 / (images.shape[1] * images.shape[2])))

            section.once(name, at_size)

    def figure() -> list[str]:
        size = max(side // 4, 1)
        shown = [jax.jit(partial(windowed, kind=kind))(images[:6], rows[:6], jnp.float32(size))[0] for kind in KINDS]
        sheet = [list(np.asarray(jnp.round(255 * row)).astype(np.uint8)) for row in shown]
        names = [trained.dataset.classes[label] for label in labels[:6]]
        figures.sheet(section.folder / EXAMPLES, sheet, KINDS, names)
        return [EXAMPLES]

    section.once("figures", figure, files=[EXAMPLES])


def _maps(trained: Trained, pixels: Float[Array, "b h w c"], labels: Int[Array, "b"]) -> Float[Array, "b n m"]:
    return saliency.cam(trained.maps(pixels), jnp.asarray(trained.kernel), labels)


def _summarized(columns: Float[np.ndarray, "n 3"], area: float) -> dict[str, float]:
    wrong, pasted, clean = columns.T
    latch = pasted - clean
    return {
        "error": float(wrong.mean()),
        "latch": float(latch.mean()),
        "standard error": float(latch.std(ddof=1) / np.sqrt(len(latch))),
        "share": float(pasted.mean()),
        "clean share": float(clean.mean()),
        "area": area,
    }


def _by_kind(measurements: Measurements) -> dict[Kind, dict[int, dict[str, float]]]:
    """By kind and side of the window, what was measured."""
    return {
        kind: {
            int(name.split()[1]): value
            for name, value in measurements.items()
            if name.split()[0] == kind and " " in name
        }
        for kind in KINDS
    }


def tabulate(measurements: Measurements) -> Table:
    """A row per kind and size, and the mean over sizes of each kind."""
    clean, rows = measurements["clean"], []
    summary: dict[str, float | None] = {}
    for kind, curve in _by_kind(measurements).items():
        for size, one in curve.items():
            interval = f"{100 * one['latch']:+.2f} ± {100 * one['standard error']:.2f}"
            ratio = f"{one['share'] / one['area']:.2f}"
            rows.append(
                (kind, str(size), f"{100 * (one['error'] - clean):+.2f}", interval, percent(one["share"]), ratio)
            )
        added = 100 * float(np.mean([one["error"] - clean for one in curve.values()]))
        latch = 100 * float(np.mean([one["latch"] for one in curve.values()]))
        rows.append((kind, "mean", f"{added:+.2f}", f"{latch:+.2f}", "", ""))
        if kind in ("frame", "soft"):
            summary |= {f"{kind} window, error less clean error, points": added, f"{kind} window, latch, points": latch}
    notes = (
        f"{measurements['images']:,} images, clean error {percent(clean)} %. A size is the side of the window in "
        "pixels; windows of one size are at the same places for all kinds.",
        "Share: of the true class's activation map, the part inside the window, in %. Latch: share with the window "
        "less share of the same place without it, mean over images ± its standard error; above 0 the map moves to the "
        "window. The frame leaves the inside as it is; soft has ramps instead of edges, and in small windows they "
        "don't reach full grey.",
    )
    header = ("window", "size", "error less clean error, points", "latch, points", "share, %", "share / area")
    return Table(summary, header, rows, notes)


def plot(measurements: Measurements, folder: Path) -> list[str]:
    """Error and latch over the size, a curve per kind; and the examples that `measure` has made."""
    clean = measurements["clean"]
    added: dict[str, list[Sequence[float]]] = {}
    latch: dict[str, list[Sequence[float]]] = {}
    for kind, curve in _by_kind(measurements).items():
        sizes = list(curve)
        added[kind] = [sizes, [100 * (one["error"] - clean) for one in curve.values()]]
        latch[kind] = [sizes, *([100 * one[name] for one in curve.values()] for name in ("latch", "standard error"))]
    x = "side of the window, pixels"
    parts = [figures.Panel(added, x, "error less clean error, points"), figures.Panel(latch, x, "latch, points")]
    figures.panels(folder / "edges.png", parts)
    return ["edges.png", EXAMPLES]


SUITE = Suite("Strong edges", settings, measure, tabulate, plot)
