"""The goals for accelerators, next to what was found."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = ["GOALS", "Goal", "table"]

Record = dict[str, Any]

# The networks whose steps have goals, with images of 32 and of 224 px, and the images of such a step.
SMALL, LARGE = "preact-resnet-18", "resnet50"
STEPS = {SMALL: 512, LARGE: 256}


class Goal(NamedTuple):
    """What is wanted of the records of a phase.

    words: the goal
    phase: whose records count
    counts: whether a record does
    value: of a record; None where it has none
    reached: whether a value reaches the goal
    form: how a value is written
    """

    words: str
    phase: str
    counts: Callable[[str, dict[str, Any]], bool]
    value: Callable[[dict[str, Any]], Any]
    reached: Callable[[Any], bool]
    form: str


def _bandwidth(dtype: str) -> Goal:
    return Goal(
        f"methods without maps at 224 px, {dtype}: 70 % of the copy's bandwidth",
        "mix",
        lambda name, setting: (
            setting["shape"][1] == 224
            and setting["dtype"] == dtype
            and setting.get("returned") == "weights"
            and not setting["per_batch"]
        ),
        lambda result: result.get("share_of_copy"),
        lambda value: value >= 0.7,
        "{:.0%}",
    )


def _share(method: str, most: float, model: str = SMALL) -> Goal:
    return Goal(
        f"{method}: under {most:.0%} of a {model} step of {STEPS[model]} in bfloat16",
        "train",
        lambda name, setting: name == method and _step_of(model, setting),
        lambda result: result.get("augmentation_share"),
        lambda value: value < most,
        "{:.1%}",
    )


def _views(side: int, least: int) -> Goal:
    return Goal(
        f"augmix at {side} px: {least:,} views a second",
        "policies",
        lambda name, setting: name == "augmix" and setting["shape"][1] == side,
        lambda result: result.get("views_per_second"),
        lambda value: value >= least,
        "{:,.0f}",
    )


def _plain(model: str, least: int) -> Goal:
    return Goal(
        f"plain training of {model} in bfloat16: {least:,} images a second",
        "train",
        lambda name, setting: name == "none" and _step_of(model, setting),
        lambda result: result.get("images_per_second"),
        lambda value: value >= least,
        "{:,.0f}",
    )


def _step_of(model: str, setting: dict[str, Any]) -> bool:
    return (setting["model"], setting["shape"][0], setting["dtype"]) == (model, STEPS[model], "bfloat16")


GOALS = (
    _bandwidth("float32"),
    _bandwidth("bfloat16"),
    Goal(
        "draws are the same bits as on the CPU",
        "sanity",
        lambda name, setting: "checks" not in setting,
        lambda result: result.get("draws"),
        lambda value: value.startswith("the same bits"),
        "{}",
    ),
    _share("cutmix", 0.02),
    _share("augmix", 0.10),
    _share("sage", 0.15),
    _share("puzzlemix", 0.15),
    _share("cutmix", 0.02, LARGE),
    _plain(SMALL, 30_000),
    _plain(LARGE, 2_000),
    _views(32, 1_000_000),
    _views(224, 20_000),
    Goal(
        "ahead of timm and torchvision in every cell",
        "mix",
        lambda name, setting: name.startswith(("timm", "torchvision")),
        lambda result: result.get("times_jaxmix"),
        lambda value: value > 1,
        "{:.2f} times",
    ),
)


def table(records: Iterable[Record]) -> str:
    """A Markdown row for each goal: how many records reach it, and which are furthest from it."""
    records = list(records)
    rows = ["| goal | reached by | short of it |", "|---|---|---|"]
    for goal in GOALS:
        found = []
        for record in records:
            key = record["key"]
            if key["phase"] == goal.phase and goal.counts(key["name"], key["setting"]):
                value = goal.value(record["result"])
                found += [] if value is None else [(key, value)]
        short = [f"{_which(key)} {goal.form.format(value)}" for key, value in found if not goal.reached(value)]
        shown = "not measured" if not found else f"{len(found) - len(short)} of {len(found)}"
        if len(found) == 1:
            shown += f": {goal.form.format(found[0][1])}"
        rows.append(f"| {goal.words} | {shown} | {', '.join(short)} |")
    return "\n".join(rows)


def _which(key: dict[str, Any]) -> str:
    shape, dtype = key["setting"].get("shape"), key["setting"].get("dtype", "")
    return " ".join([key["name"], *([f"{shape[1]} px"] if shape else []), dtype]).strip()
