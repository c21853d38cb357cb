"""The page of benchmarks, docs/benchmarks.md: tables of the committed results, benchmarks/results/*.json.

python docs/tables.py            # write it
python docs/tables.py --check    # exit with 1 if it isn't as this script would write it
"""

# ruff: noqa: E402

import argparse
import json
import pathlib
import statistics
import sys
from typing import Any

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT / "benchmarks")]

from markdown_tables import table

import accelerator
import cifar_table
import goals
from journal import Journal
from phases import PHASES

RESULTS = ROOT / "benchmarks" / "results"
PAGE = HERE / "benchmarks.md"
MAIN = (
    "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog brightness "
    "contrast elastic_transform pixelate jpeg_compression"
).split()


def read(name: str) -> dict[str, Any]:
    """The results of a benchmark on CPU."""
    return json.loads((RESULTS / f"{name}-cpu.json").read_text())


def blend() -> str:
    """Methods without maps against the bare expression and Keras."""
    found = read("blend")
    rows = [
        [name, *(f"{sizes[name]['ms']:.3f} ({sizes[name]['ratio']:.2f})" for sizes in found["main"].values())]
        for name in next(iter(found["main"].values()))
    ]
    kinds = list(next(iter(next(iter(found["variants"].values())).values())))
    variants = [
        [f"{name}, {size.rsplit('x', 1)[0]}", *(f"{one[kind]['ratio']:.2f}" if kind in one else "" for kind in kinds)]
        for size, methods in found["variants"].items()
        for name, one in methods.items()
        if name != "bare"
    ]
    words = [
        [name, *(f"{by[name]:,.0f}" for by in found["words"].values())] for name in next(iter(found["words"].values()))
    ]
    growth = []
    for by in found["growth"].values():
        head = ["ms", *next(iter(by.values()))]
        growth.append(table(head, [[name, *(f"{value:.3g}" for value in one.values())] for name, one in by.items()]))
    grown = "\n\n".join(growth)
    return f"""## Methods without maps

Milliseconds per jitted call that uses images and label weights, and in brackets times the bare expression `a *
x + (1 - a) * x[partner]` with the same random values (for CutMix with those of CutMix, for all others with
those of mixup): medians of {found["rounds"]} interleaved rounds in one process, {found["dtype"]},
{found["device"]}, jax {found["jax"]}, keras {found["keras"]} (its layers jitted on JAX). From
`benchmarks/blend.py`.

{table(["", *found["main"]], rows)}

The same methods with one draw for the whole batch, and in other dtypes: times the bare expression in that dtype, for
uint8 blended in float32 and rounded.

{table(["", *kinds], variants)}

How the time grows with the batch and the side of the images, in float32, and the slope of its logarithm over that
of the number of pixels.

{grown}

Random words of 32 bits that a sample takes, from `benchmarks/random_words.py`. Random bits can cost more than mixing.

{table(["", *found["words"]], words)}"""


def guided() -> str:
    """Guided methods and the searches of SAGE."""
    found = read("guided")
    rows = [
        [name, f"{row['ms']:.2f}", f"{row['cutmix takes 1, this']['ratio']:.1f}", f"{row['compile s']:.1f}"]
        for name, row in found["methods"].items()
    ]
    searches = [
        [
            name,
            *(
                f"{sizes[name]['ms']:.1f} ({sizes[name]['rolled takes times']['ratio']:.1f})"
                for sizes in found["searches"].values()
            ),
        ]
        for name in next(iter(found["searches"].values()))
    ]
    step = [
        [name, f"{row['ms']:.2f}", f"{100 * row['a step takes 1, this']['ratio']:.2f}"]
        for name, row in found.get("step", {}).items()
    ]
    return f"""## Guided methods

Their maps given, on 100 images of 32x32x3; medians of {found["rounds"]} interleaved rounds, {found["device"]},
jax {found["jax"]}. From `benchmarks/guided.py`. PuzzleMix is measured with transport; "drawn" is one of 2, 4, 8
and 16 blocks a batch, the default.

{table(["", "ms", "times CutMix", "compile, s"], rows)}

SAGE's search for the best shift of smoothed maps, ms, and in brackets how many times as long `rolled` takes,
which scores all of them. `sampled` tries 1 % of the shifts, as the authors do. At 224 pixels `fourier` starts
at half the size; maps with much detail in single pixels are searched at full size, which takes about three
times as long.

{table(["", *found["searches"]], searches)}

What GuidedMixup costs beside a training step of resnet-8, plain, on 128 images of 32x32x3, in one interleaved run:

{table(["", "ms", "% of a step"], step)}"""


def policies() -> str:
    """Methods that keep the label against timm and torchvision."""
    found = read("policies")
    rows = []
    for size, measured in found["images_per_second"].items():
        for name, by in measured.items():
            peers = [
                f"{by[p]['images_per_second']:,.0f} ({by[p]['ratio']:.1f})" if p in by else ""
                for p in ("timm", "timm, half", "torchvision")
            ]
            own, compile_seconds = by["jaxmix"], f"{by['jaxmix']['compile_seconds']:.1f}"
            rows.append([f"{name}, {size}", f"{own['images_per_second']:,.0f}", *peers, compile_seconds])
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    beside = [
        f"{by['pixmix']['AugMix']['ratio']:.1f} times ({size})"
        for size, by in found["images_per_second"].items()
        if "pixmix" in by
    ]
    pixmix = f"In the same run PixMix is {' and '.join(beside)} as fast as AugMix.\n\n" if beside else ""
    together = [f"{forms['vectorized'] / forms['loop_over_images']:.0f}" for forms in found["forms_ms"].values()]
    return f"""## AugMix and the policies

Images per second, 8 bits in and out, and in brackets how many times as fast as each library's on Pillow;
medians of interleaved rounds in one process, {found["device"]}, jax {found["jax"]}, {versions}. timm has no
TrivialAugment, so its RandAugment with one operation stands there. By default its RandAugment skips half of the
operations (timm, half). From `benchmarks/policies.py`.

{table(["", "jaxmix", "timm", "timm, half", "torchvision", "compile, s"], rows)}

{pixmix}On CPUs this is a loop over the images that computes only the sampled operations. On GPUs and TPUs all images go
through one tone curve and one warp a step, with the same results; on two CPU cores this form takes
{" and ".join(together)} times as long at the two sizes."""


def corruptions() -> str:
    """The corruptions against imagecorruptions."""
    found, sweep = read("corruptions"), read("corruptions_sweep")
    sides = found["results"]
    rows, medians = [], []
    for name in next(iter(sides.values())):
        cells = [name]
        for side in sides:
            other = sides[side][name].get("imagecorruptions")
            cells += [f"{sides[side][name]['jaxmix']['ms']:.3f}", f"{other['ratio']:.1f}" if other else ""]
        rows.append(cells)
    for side in sides:
        medians.append(statistics.median(sides[side][name]["imagecorruptions"]["ratio"] for name in MAIN))
    head = ["", *(cell for side in sides for cell in (f"{side} px, ms", "times"))]
    return f"""## Corruptions

Milliseconds an image at severity {found["severity"]} with ImageNet-C's constants, and how many times as long
imagecorruptions 1.1.2 takes; medians of {found["rounds"]} interleaved rounds, {found["device"]}, jax
{found["jax"]}. The median over the first 15 is
{" and ".join(f"{m:.0f} times at {s} px" for m, s in zip(medians, sides, strict=True))}. All
{len(sweep["seconds"])} at five severities for {sweep["images"]:,} images of 32 px, the size of CIFAR-10-C, take
{sweep["total"]:.0f} s. Spatter's severity 3 is our substitute for water; frost uses photographs of noise. From
`benchmarks/corruptions.py`.

{table(head, rows)}"""


def cbar() -> str:
    """The corruptions of C-bar against the authors' code."""
    found = read("cbar")
    large, versions = found["large"], ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    rows = []
    for name, row in found["results"].items():
        cells = [name, f"{row['jaxmix']['ms']:.3f}", *(f"{row[o]['ratio']:.1f}" for o in ("authors", "numpy"))]
        wide = large["results"].get(name)
        cells += [f"{wide['jaxmix']['ms']:.2f}", f"{wide['authors']['ratio']:.0f}"] if wide else ["", ""]
        rows.append(cells)
    sides = (found["side"], large["side"])
    head = [f"{sides[0]} px, ms", "times: authors", "times: numpy", f"{sides[1]} px, ms", "times: authors"]
    load = " and ".join(f"{value:.1f}" for value in found["load"])
    return f"""## Corruptions of C-bar

Milliseconds an image at severity {found["severity"]}, in batches of {found["batch"]} images of {sides[0]} px and
{large["batch"]} of {sides[1]} px, and how many times as long others take, which corrupt one image after the other:
the authors' code (facebookresearch/augmentation-corruption, commit {found["authors_commit"][:7]}), which loops over
pixels in Python, and our vectorized numpy version of the same equations, `tests/reference/cbar.py`. Every call samples
its parameters. Constants are CIFAR-10-C-bar's at {sides[0]} px, where it has the corruption, and else ImageNet-C-bar's.

The median over the {len(rows)} at {sides[0]} px is {found["medians"]["authors"]:.0f} times the authors' code and
{found["medians"]["numpy"]:.1f} times the numpy version; over the {len(large["results"])} at {sides[1]} px it is
{large["medians"]["authors"]:.0f} times the authors' code. Medians of {found["rounds"]} interleaved rounds in one
process ({large["rounds"]} at {sides[1]} px), {found["device"]} with a load average of {load} before and after, jax
{found["jax"]}, {versions}. From `benchmarks/cbar.py`.

{table(["", *head], rows)}"""


def steps() -> str:
    """Whole training steps."""
    rows, devices = [], set()
    for found in (json.loads(file.read_text()) for file in sorted(RESULTS.glob("step-*cpu.json"))):
        devices.add(f"{found['device']}, jax {found['jax']}")
        for name, row in found["results"].items():
            rows.append([found["model"], name, f"{row['ms']:.0f}", f"{row['ratio']:.2f}"])
    return f"""## Training steps

A whole step on 128 images of 32x32: maps, both passes and update, times plain training; medians of interleaved
rounds, {"; ".join(sorted(devices))}. AugMix trains on three views of each image. From
`benchmarks/train_step.py`.

{table(["network", "method", "ms", "times plain training"], rows)}"""


def accelerators() -> str:
    """What was measured on GPUs and TPUs, by device."""
    parts = []
    for path in sorted(RESULTS.glob("accelerator-*.jsonl")):
        for common in _places(Journal(path, {})):
            parts += _on_device(Journal(path, common))
    return "\n\n".join(parts)


def _places(journal: Journal) -> list[dict[str, Any]]:
    """The devices with versions and code that a file has results of."""
    own = ("phase", "name", "setting")
    found = [{name: value for name, value in one["key"].items() if name not in own} for one in journal.found()]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def _on_device(journal: Journal) -> list[str]:
    where, versions = journal.common["device"], journal.common["versions"]
    of = ", ".join(f"{name} {version}" for name, version in versions.items() if name in ("jax", "flax"))
    cut = [f"{one['key']['phase']} {one['key']['name']}" for one in journal.records if "cut" in one]
    days = {one["date"][:10] for one in journal.found()}
    tables = [
        f"{phase}:\n\n{accelerator.table(PHASES[phase].COLUMNS, journal.found(phase))}"
        for phase in PHASES
        if journal.found(phase)
    ]
    head = f"""## On {where}

{of}, {", ".join(sorted(days))}, from `benchmarks/accelerator.py`, whose [page](accelerators.md) says how it
measures; results of {len(tables)} of its {len(PHASES)} phases. The goals, and what falls short of them:

{goals.table(journal.found())}"""
    return [head, *tables, *([f"Cut short by the end of the time: {', '.join(cut)}."] if cut else [])]


def loader() -> str:
    """The loader of image files against bare Pillow and torch."""
    found = read("loader")
    rows = []
    for size, measured in found["sets"].items():
        for name, own in measured["contenders"].items():
            ratios = [f"{own[of]['ratio']:.2f}" if of in own else "1" for of in ("of pillow", "of torch")]
            rows.append([name, size, f"{own['images per second']:,.0f}", *ratios])
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"""## Reading image files

Images per second of one core: decoded, cropped at random, resized and put into batches, by one thread each;
medians of {found["rounds"]} interleaved rounds of processor time, {found["device"]}, on a busy machine.
{found["note"].split("; other")[0]}. {versions}. "pillow" is the bare loop, without batches; torch is its
DataLoader with torchvision's transforms. From `benchmarks/loader.py`.

{table(["", "images", "images a second", "times pillow", "times torch"], rows)}"""


def first_trainings() -> str:
    """Two epochs on CIFAR-10."""
    files = ["cifar10-resnet-8-2-epochs", "cifar10-resnet-8-2-epochs-guided", "cifar10-resnet-8-2-epochs-augmix"]
    found = [json.loads((RESULTS / f"{name}.json").read_text()) for name in files]
    return f"""## Two epochs on CIFAR-10

A first look, not a paper's table: two epochs of resnet-8 on "{found[0]["data"]}", a copy of CIFAR-10 compressed
as JPEG of quality 75, with all its 50,000 + 10,000 images; batch 128, SGD with Nesterov momentum 0.9, learning
rate 0.1 along a cosine, weight decay 5e-4, methods with their papers' CIFAR settings; n runs with seeds 0, 1,
2, mean ± standard deviation. So short a training doesn't overfit, so mixing can only slow it down: the table
shows that each method trains. Trainings in which mixing matters are in [the results](results.md).
Two cores of an AMD EPYC, for guided methods and AugMix of an Intel Xeon; jax 0.10.2, flax 0.12.8.
From `benchmarks/cifar_table.py`.

{cifar_table.table([run for part in found for run in part["runs"]])}

PuzzleMix, SAGE and Co-Mixup use the loss of their papers' code, binary cross-entropy of the softmax, which is a
fraction of the others and trains slowly at first; AugMix's training loss includes 12 times that of its views'
consistency. The guided methods (seeds 0 and 1) and AugMix were trained with 4 pixels of padding before the
crop."""


def evaluations() -> str:
    """What an evaluation of two short runs found."""
    found = read("evaluation")
    runs = found["runs"]
    summaries = [
        {key: value for suite in run["suites"].values() for key, value in suite["summary"].items()} for run in runs
    ]
    keys = dict.fromkeys(key for summary in summaries for key in summary)
    rows = [[key, *(f"{s[key]:.2f}" if isinstance(s.get(key), float) else "" for s in summaries)] for key in keys]
    head = ["", *(f"{run['run']['method']}, epochs: {run['run']['epochs']}" for run in runs)]
    return f"""## An evaluation

What `train/evaluate.py` writes, not a result to quote: two short runs of resnet-8 (n = {found["n"]} each) on
{found["data"]}; {found["device"]}, jax {found["jax"]}.

{table(head, rows)}

[Results](results.md) has evaluations with seeds, those of localization and backgrounds in the setting `objects`."""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [blend(), guided(), policies(), corruptions(), cbar(), steps(), accelerators(), loader()]
    parts += [first_trainings(), evaluations()]
    head = """<!-- Written by docs/tables.py from benchmarks/results. -->

# Benchmarks

Every table is written from committed results by a script, `docs/tables.py`, and every result by a script in
`benchmarks/`, on the device that the text names. Contenders run interleaved in one process, in random order,
round after round, so that the drift of a busy machine cancels in the ratios: compare ratios, not milliseconds
of different tables."""
    return "\n\n".join([head, *parts]) + "\n"


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    check, text = parser.parse_args().check, page()
    if PAGE.exists() and PAGE.read_text() == text:
        return
    if check:
        sys.exit("docs/benchmarks.md is out of date: run `python docs/tables.py`")
    PAGE.write_text(text)
    print("wrote docs/benchmarks.md")


if __name__ == "__main__":
    main()
