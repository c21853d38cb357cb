"""docs/claims.md: the published claims of benchmarks/claims.toml, and what the cells of the evidence say of them."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import evidence_grid
import evidence_statistics
import evidence_values
import run_dir
from evidence_cells import Cell
from evidence_statistics import Difference
from evidence_tables import paragraph

__all__ = ["VERDICTS", "Result", "check", "measured", "page", "read", "timed", "verdict"]

HERE = Path(__file__).parent
NO_DATA = "no data yet"
LABELS = {title: label for table in evidence_grid.TABLES.values() for label, title in table.items()}
VERDICTS = AGREES, DISAGREES, OPEN = "agrees", "disagrees", "can't say"

HEAD = """\
# Claims

What papers claim of these methods, and what our trainings say of it; some claims are our own.
`python benchmarks/evidence.py --table` wrote this page from `benchmarks/claims.toml` and the files in
`benchmarks/results`; [results](results.md) has the settings, all values, and what copy of the data and what device they
are of.
"""

RULE = f"""
The verdict follows from the {100 * evidence_statistics.LEVEL:.0f} % interval of the difference alone (Student's t of
differences paired by seed): **agrees** where it excludes 0 on the claimed side, **disagrees** where it excludes 0 on
the other side, can't say where it contains 0, with fewer than two seeds, or without the measurement. For run times it
follows from the quartiles of what a training step takes: can't say where their ranges overlap. A verdict is of our
setting, which is smaller than the papers': that a claim isn't seen here doesn't refute it for their networks and data.
"""


class Result(NamedTuple):
    """What we found of a claim, in words, and the verdict with its reason.

    difference: behind the verdict, where there is one
    """

    ours: str
    verdict: str
    reason: str = ""
    difference: Difference | None = None


def read(path: Path = HERE / "claims.toml") -> list[dict[str, Any]]:
    """The claims of a file. Raises ValueError for one that is incomplete or names what the grid doesn't have."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
    for claim in found:
        check(claim)
    return found


# The settings in which a claim is tested that doesn't name its own; the first is there without data, too.
SETTINGS = ("small", "full")

KINDS = (
    {"column", "terms", "claimed"},
    {"column", "terms", "claimed", "setting"},
    {"times", "faster", "slower"},
)


def _settings(claim: dict[str, Any]) -> tuple[str, ...]:
    """Those in which a claim is tested."""
    return (claim["setting"],) if "setting" in claim else SETTINGS


def check(claim: dict[str, Any]) -> None:
    """Raises ValueError for a claim that is incomplete or names what the grid doesn't have."""
    about = {"part", "claim", "source", "figure"}
    own = claim.keys() - about - {"note"}
    if not about <= claim.keys() or own not in KINDS:
        wanted = " or ".join(", ".join(sorted(kind)) for kind in KINDS)
        raise ValueError(f"a claim has {', '.join(sorted(claim))}; wanted part, claim, source, figure, and {wanted}.")
    if "column" in claim and claim["column"] not in LABELS.keys() | evidence_values.DERIVED.keys():
        raise ValueError(f"the claim {claim['claim']!r} names the column {claim['column']!r}, which is no table's.")
    setting = _settings(claim)[0]
    if setting not in evidence_grid.SETTINGS:
        raise ValueError(f"the claim {claim['claim']!r} names the setting {setting!r}, which the grid hasn't.")
    unknown = sorted(claim.get("terms", {}).keys() - set(evidence_grid.SETTINGS[setting].names))
    if unknown or claim.get("claimed", "below") not in ("below", "above"):
        raise ValueError(f"the claim {claim['claim']!r} names {unknown or claim['claimed']}, which the grid hasn't.")


# ---- verdicts


def verdict(difference: Difference | None, claimed: str) -> tuple[str, str]:
    """The verdict of a difference that is claimed to be `below` or `above` 0, and its reason where it is open."""
    if difference is None:
        return OPEN, "not measured"
    if difference.half is None:
        return OPEN, "n = 1"
    if difference.sign == 0:
        return OPEN, "the interval contains 0"
    return (AGREES if difference.sign == (-1 if claimed == "below" else 1) else DISAGREES), ""


def measured(claim: dict[str, Any], cells: Sequence[Cell]) -> Result:
    """What the cells of one setting and copy say of a claim."""
    terms = claim["terms"]
    found = evidence_statistics.paired(
        [(factor, evidence_values.by_seed(cells, method, claim["column"])) for method, factor in terms.items()]
    )
    ours = "" if found is None else f"{_expression(terms)}: {_interval(found)}, n = {found.n}"
    return Result(ours, *verdict(found, claim["claimed"]), found)


def _expression(terms: dict[str, float]) -> str:
    """Terms as a sum: `augmix - 0.5 none`."""
    text = ""
    for method, factor in terms.items():
        size = "" if abs(factor) == 1 else f"{abs(factor):g} "
        sign = ("- " if factor < 0 else "+ ") if text else ("-" if factor < 0 else "")
        text += f"{' ' if text else ''}{sign}{size}{method}"
    return text


def _interval(found: Difference) -> str:
    return f"{found.mean:+.2f}" + ("" if found.half is None else f" ± {found.half:.2f}")


def timed(claim: dict[str, Any], results: Path) -> Result:
    """What a benchmark of training steps says of which method takes less time."""
    content = run_dir.read_json(results / claim["times"], dict)
    fast, slow = (content["results"].get(claim[name]) for name in ("faster", "slower"))
    if fast is None or slow is None:
        return Result("", OPEN, "not measured")
    ratios = ", ".join(f"{claim[name]} {row['ratio']:.2f}" for name, row in (("faster", fast), ("slower", slow)))
    ours = f"{ratios} times a plain step; {content['model']}, {content['batch']} images, {content['device']}"
    if fast["quartiles"][1] < slow["quartiles"][0]:
        return Result(ours, AGREES)
    if slow["quartiles"][1] < fast["quartiles"][0]:
        return Result(ours, DISAGREES)
    return Result(ours, OPEN, "the quartiles overlap")


# ---- the page


def page(
    cells: Sequence[Cell], results: Path = HERE / "results", claims: Sequence[dict[str, Any]] | None = None
) -> str:
    """docs/claims.md.

    Args:
        cells: all of them.
        results: the folder with the benchmarks of run times.
        claims: as `read` gives them, which is the default.
    """
    claims = read() if claims is None else claims
    lines = [HEAD, *paragraph(RULE)]
    for setting in evidence_grid.SETTINGS:
        grid = [claim for claim in claims if "column" in claim and setting in _settings(claim)]
        copies = dict.fromkeys(cell.data["name"] for cell in cells if cell.setting == setting)
        named = any(_settings(claim)[0] == setting for claim in grid)
        for copy in copies or ([NO_DATA] if named else []):
            own = [cell for cell in cells if (cell.setting, cell.data["name"]) == (setting, copy)]
            lines += _tested(setting, copy, [(claim, measured(claim, own)) for claim in grid]) if grid else []
    lines += ["## Measured elsewhere", ""]
    lines += _table([(claim, timed(claim, results)) for claim in claims if "times" in claim])
    return "\n".join(lines).rstrip() + "\n"


def _tested(setting: str, copy: str, found: Sequence[tuple[dict[str, Any], Result]]) -> list[str]:
    """The part of a setting and a copy of the data."""
    command = f"python benchmarks/evidence.py --setting {setting} --data-dir DIR --data-name NAME --minutes 600"
    return [
        *(f"## Setting `{setting}`, {copy}", ""),
        *paragraph(f"{_counts(found)} {_chance(found)}"),
        *paragraph(f"A command is what stands in its column, after `{command}`."),
        *_table(found),
    ]


def _counts(found: Sequence[tuple[dict[str, Any], Result]]) -> str:
    """How many of each verdict there are, of published claims and of those whose source is `Ours`."""
    sentences = []
    for own, name in ((False, "published claim{}"), (True, "claim{} of our own")):
        verdicts = [result.verdict for claim, result in found if _ours(claim) == own]
        if verdicts:
            agree, disagree, leave = (verdicts.count(verdict) for verdict in VERDICTS)
            counted = f"{len(verdicts)} {name.format('s' * (len(verdicts) > 1))}"
            sentences.append(
                f"Of {counted}, our measurements agree with {agree} and disagree with {disagree}; of {leave} they "
                "can't say."
            )
    return " ".join(sentences)


def _ours(claim: dict[str, Any]) -> bool:
    return claim["source"].startswith("Ours")


def _chance(found: Sequence[tuple[dict[str, Any], Result]]) -> str:
    """How many verdicts chance alone would give; what a claim such as "halves" compares differs anyway."""
    tested = [
        result
        for claim, result in found
        if result.difference is not None and result.difference.half is not None and sum(claim["terms"].values()) == 0
    ]
    if not tested:
        return "No difference has two seeds yet, so there is no interval."
    chance = (1 - evidence_statistics.LEVEL) * len(tested)
    return (
        f"{len(tested)} of all that compare one method with another have an interval; if none differed from another, "
        f"about {chance:.1f} of these would exclude 0 by chance."
    )


def _table(found: Sequence[tuple[dict[str, Any], Result]]) -> list[str]:
    """A table for each part of the page, a row for each claim, and the notes below it."""
    lines: list[str] = []
    for part in dict.fromkeys(claim["part"] for claim, _ in found):
        lines += [f"### {part}", "", *ROWS]
        own = [(claim, result) for claim, result in found if claim["part"] == part]
        for claim, result in own:
            figure = claim["figure"] or ("" if _ours(claim) else "figure not given")
            source = f"{claim['source']}: {figure}" if figure else claim["source"]
            reason = f": {result.reason}" if result.reason else ""
            strong = f"**{result.verdict}**" if result.verdict != OPEN else result.verdict
            what = f"{LABELS.get(claim['column'], claim['column'])}: " if "column" in claim and result.ours else ""
            cells = (claim["claim"], source, f"{what}{result.ours}", f"{strong}{reason}")
            lines.append(f"| {' | '.join((*cells, _command(claim)))} |")
        lines += ["", *(line for claim, _ in own if "note" in claim for line in _note(claim))]
    return lines


ROWS = ["| claim | by whom, with which figure | ours | verdict | command |", "| --- | --- | --- | --- | --- |"]


def _note(claim: dict[str, Any]) -> list[str]:
    return paragraph(f"On “{claim['claim']}”: {claim['note']}")


def _command(claim: dict[str, Any]) -> str:
    if "terms" in claim:
        return f"`--methods {' '.join(claim['terms'])}`"
    return "`python benchmarks/train_step.py`"
