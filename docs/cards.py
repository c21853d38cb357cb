"""The cards of the methods, docs/methods/*.md: from docstrings, cards.toml and benchmarks/results.

    python docs/cards.py            # write them
    python docs/cards.py --check    # exit with 1 if one isn't as this script would write it

Every function of `jaxmix.methods` that is public has a card, so a new method has one as soon as it is written; what its
paper reports and when not to use it are to be added to methods/cards.toml.
"""

# ruff: noqa: E402

import argparse
import inspect
import json
import pathlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]

import docstrings
from markdown_tables import cell, prose, table

import jaxmix

FOLDER = HERE / "methods"
RESULTS = ROOT / "benchmarks" / "results"
FIGURE = "<!-- figure: the build of the site renders one -->"
# A second function of the same paper stands on its card.
BESIDE = {"augmix": ["augmix_views"], "pixmix": ["mixing_images"]}
GROUPS = {
    "Mix pairs of samples": "mixup cutmix smoothmix_s smoothmix_c resizemix fmix gridmix gridmixup randommix".split(),
    "Mix guided by maps": "saliencymix attentivemix snapmix puzzlemix comixup sage guidedmix".split(),
    "Change one image, keep its label": (
        "cutout augmix pixmix autoaugment random_autoaugment randaugment trivialaugment patch_gaussian patch_uniform"
    ).split(),
    "Change features": ["dropblock"],
    "Weight the labels of a mix": ["attend"],
}
OTHERS = "Others"
PARTS = ("What the paper reports", "Cost", "When not to use it", "Differences from the authors' code", "Reference")


def methods() -> dict[str, Callable[..., Any]]:
    """The public methods that have a card, by name."""
    beside = {name for names in BESIDE.values() for name in names}
    public = {name: getattr(jaxmix, name) for name in jaxmix.__all__}
    return {
        name: value
        for name, value in public.items()
        if inspect.isfunction(value) and value.__module__.startswith("jaxmix.methods.") and name not in beside
    }


def texts() -> dict[str, dict[str, Any]]:
    """What cards.toml says of each method."""
    return tomllib.loads((FOLDER / "cards.toml").read_text())


def groups() -> dict[str, list[str]]:
    """The methods by what they do; those that no group names come last."""
    named = {name for names in GROUPS.values() for name in names}
    others = [name for name in methods() if name not in named]
    return {title: [n for n in names if n in methods()] for title, names in GROUPS.items()} | (
        {OTHERS: others} if others else {}
    )


def results(kind: str) -> Iterator[dict[str, Any]]:
    """The committed results of a benchmark, of every device."""
    for file in sorted(RESULTS.glob(f"{kind}-*.json")):
        yield json.loads(file.read_text())


def named(name: str, rows: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The rows of a method and of its variants, `NAME, VARIANT`."""
    for label, row in rows.items():
        if label == name or label.startswith(f"{name}, "):
            yield label.removeprefix(name).lstrip(", "), row


def guided(name: str) -> bool:
    """Whether a method takes maps after the batch."""
    return sum(not p.keyword_only for p in docstrings.parameters(methods()[name])) > 2


def cost(name: str) -> list[list[str]]:
    """What was measured, the figure, how it compares, and where; a row each."""
    rows = []
    for found in results("blend"):
        for size, measured in found["main"].items():
            for _, row in named(name, measured):
                what = f"a call, {size}"
                rows.append([what, f"{row['ms']:.3f} ms", f"{row['ratio']:.2f} times the bare blend", found["device"]])
    for found in results("guided"):
        for variant, row in named(name, found["methods"]) if name != "cutmix" else ():  # which is the measure here
            given = "a call, maps given, 100x32x32x3" if guided(name) else "a call, 100x32x32x3"
            what = given + (f", {variant}" if variant else "")
            ratio = row["cutmix takes 1, this"]["ratio"]
            rows.append([what, f"{row['ms']:.2f} ms", f"{ratio:.1f} times CutMix", found["device"]])
    for found in results("policies"):
        for size, measured in found["images_per_second"].items():
            for _, row in named(name, measured):
                figure = f"{row['jaxmix']['images_per_second']:,.0f} images/s"
                peers = ", ".join(f"{p} {row[p]['ratio']:.1f}" for p in ("timm", "torchvision", "AugMix") if p in row)
                rows.append([f"a call, 8 bits, {size}", figure, f"times as fast as: {peers}", found["device"]])
    for found in results("step"):
        for variant, row in named(name, found["results"]):
            what = f"a training step of {found['model']}, {found['batch']} images" + (f", {variant}" if variant else "")
            rows.append([what, f"{row['ms']:.0f} ms", f"{row['ratio']:.2f} times plain training", found["device"]])
    return rows


def arguments_table(function: Callable[..., Any], doc: docstrings.Docstring) -> str:
    """Arguments, defaults and what they mean."""
    defaults = {p.name: p.default for p in docstrings.parameters(function)}
    rows = [[f"`{n}`", f"`{defaults[n]}`" if defaults.get(n) else "", cell(text)] for n, text in doc.arguments]
    return table(["argument", "default", "meaning"], rows)


def opening(name: str, title: str, doc: docstrings.Docstring) -> list[str]:
    """The head of a card: what the method does, its figure, its equation, how it is called."""
    figure = FOLDER.parent / "figures" / "methods" / f"{name}.webp"
    image = f"![Batches mixed by {title}](../figures/methods/{name}.webp)" if figure.exists() else FIGURE
    blocks = [f"# {title}", prose(doc.summary), image]
    for block in doc.body:
        blocks.append(f"```text\n{docstrings.equation(block)}\n```" if block.startswith(" ") else prose(block))
    blocks += [prose(note) for note in doc.notes]
    return [*blocks, example(name, doc)]


def example(name: str, doc: docstrings.Docstring) -> str:
    """The example of a docstring, with the imports that the module has."""
    imports = [">>> import jax"] + [">>> import jax.numpy as jnp"] * ("jnp." in doc.example)
    return "\n".join(["```pycon", *imports, f">>> from jaxmix import {name}", doc.example, "```"])


def card(name: str) -> str:
    """The card of a method, in Markdown."""
    function, said = methods()[name], texts().get(name, {})
    title = said.get("title", name)
    doc = docstrings.parse(inspect.getdoc(function) or "")
    blocks = [
        f"<!-- Written by docs/cards.py from the docstring of jaxmix.{name}, cards.toml and benchmarks/results. -->",
        *opening(name, title, doc),
        "## Arguments and defaults",
        arguments_table(function, doc),
        f"Returns: {prose(doc.returns[0].lower() + doc.returns[1:])}",
    ]
    for other in BESIDE.get(name, []):
        beside = docstrings.parse(inspect.getdoc(getattr(jaxmix, other)) or "")
        blocks += [f"## {other}", prose(beside.summary), example(other, beside)]
        blocks += [arguments_table(getattr(jaxmix, other), beside), f"Returns: {prose(beside.returns)}"]
    blocks += ["## What the paper reports"]
    if said.get("reports"):
        rows = [[cell(text) or "not given" for text in row] for row in said["reports"]]
        blocks += [table(["setting", "measure", "without", f"with {title}"], rows)]
        blocks += [f"From {said['source']} Compare figures within a row only."]
    else:
        blocks += [said.get("source", "To be added to cards.toml.")]
    blocks += ["## Cost"]
    if rows := cost(name):
        blocks += [table(["what", "time", "compared", "device"], [[cell(text) for text in row] for row in rows])]
    if "cost" in said or not rows:
        blocks += [said.get("cost", "Not measured by itself.")]
    blocks += ["More of it, and how it was measured: [benchmarks](../benchmarks.md)."]
    blocks += ["## When not to use it", "\n".join(f"- {line}" for line in said.get("avoid", ["To be added."]))]
    blocks += ["## Differences from the authors' code"]
    differs = f"Differs from {doc.differs_from}: {doc.differs}" if doc.differs else "The docstring describes none."
    blocks += [prose(differs)]
    blocks += ["## Reference", prose(doc.reference)]
    file = pathlib.Path(inspect.getsourcefile(inspect.unwrap(function)) or "").resolve().relative_to(ROOT)
    blocks += [f"Source: `{file}`. Signature and shapes: [API](../api/methods.md)."]
    return "\n\n".join(blocks) + "\n"


def index() -> str:
    """The page that lists the cards."""
    blocks = ["<!-- Written by docs/cards.py. -->", "# Methods"]
    blocks += [
        "Every method is `(key, batch, [maps,] *, hyper-parameters) -> (images, Mix)`, but for `dropblock`, which "
        "takes and returns features, and `attend`, which takes and returns a mix. A card has the equation, defaults, "
        "published figures, cost, when not to use the method, and what differs from the authors' code."
    ]
    for title, names in groups().items():
        rows = []
        for name in names:
            doc = docstrings.parse(inspect.getdoc(methods()[name]) or "")
            rows.append([f"[{texts().get(name, {}).get('title', name)}]({name}.md)", f"`{name}`", cell(doc.summary)])
        blocks += [f"## {title}", table(["method", "function", "what it does"], rows)]
    names = "\n".join(name for group in groups().values() for name in group)
    return "\n\n".join([*blocks, f"```{{toctree}}\n:hidden:\n\n{names}\n```"]) + "\n"


def written() -> dict[pathlib.Path, str]:
    """All files of this script, and what should be in them."""
    return {FOLDER / f"{name}.md": card(name) for name in methods()} | {FOLDER / "index.md": index()}


def main() -> None:
    """Write the cards, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a card is out of date")
    check = parser.parse_args().check
    files = written()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in FOLDER.glob("*.md") if path not in files]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is out of date" if check else f"wrote {path.relative_to(ROOT)}")
        if not check and path in files:
            path.write_text(files[path])
        elif not check:
            path.unlink()
    if check and stale:
        sys.exit("run `python docs/cards.py`")


if __name__ == "__main__":
    main()
