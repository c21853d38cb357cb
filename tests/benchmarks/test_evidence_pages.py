"""Intervals, verdicts, tables and figures of the evidence against worked values."""

import json
import math
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import evidence_claims
import evidence_figures
import evidence_grid
import evidence_pages
import evidence_statistics
import evidence_tables
import evidence_values
from evidence_cells import Cell
from evidence_statistics import Difference, paired, quantile

CLEAN, CORRUPTION = "clean error, %", "corruption error, mean of 15 with frost_like, %"
VERSIONS = {"jax": "0.0", "flax": "0.0", "devices": {"platform": "cpu"}}


def cell(method="none", seed=0, error=40.0, **changes):
    """A cell with a clean error, a corruption error 10 points above, and every corruption at that."""
    names = [name for family in evidence_grid.FAMILIES.values() for name in family]
    corruptions = {f"{name} {s}": (error + 8 + s - 1) / 100 for name in names for s in range(1, 6)}
    made = Cell(
        setting="small",
        method=method,
        seed=seed,
        failed="",
        data={"name": "Tiny (made up)", "sizes": {"test": [10]}, "crc32": {"train": 1}},
        training={},
        images=dict(evidence_grid.SETTINGS["small"].suites),
        summary={CLEAN: error, CORRUPTION: error + 10},
        measurements={"corruptions": corruptions},
        seconds={"train": 50.0, "train cpu": 80.0, "evaluate": 10.0},
        device="a device",
        versions=VERSIONS,
        date="2026-01-31",
    )
    return made._replace(**changes)


def grid(**errors):
    """Cells by method, seeds 0, 1, .. with these clean errors."""
    return [cell(m.replace("_", "-"), seed, error) for m, own in errors.items() for seed, error in enumerate(own)]


# ---- intervals


# Of printed tables of Student's t, two-sided 95 % and 99 %; 1.96 and 2.58 in the limit.
@pytest.mark.parametrize(
    ("pairs", "level", "value"),
    [
        *((2, 0.95, 12.706), (3, 0.95, 4.303), (4, 0.95, 3.182), (6, 0.95, 2.571), (11, 0.95, 2.228)),
        *((2, 0.99, 63.657), (3, 0.99, 9.925), (10**7, 0.95, 1.960), (10**7, 0.99, 2.576)),
    ],
)
def test_quantiles_are_students(pairs, level, value):
    assert quantile(pairs, level) == pytest.approx(value, abs=6e-4)


def test_quantiles_for_two_and_three_pairs_are_exact():
    # In closed form: the tangent for one degree of freedom, and p / sqrt((1 - p**2) / 2) for two.
    assert quantile(2) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-12)
    assert quantile(3) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-12)


def test_a_difference_is_paired_by_seed():
    # 1, 2 and 3: mean 2, deviation 1, half 4.3027 / sqrt(3); seed 7 has no partner.
    found = paired([(1, {0: 11.0, 1: 22.0, 2: 33.0, 7: 99.0}), (-1, {0: 10.0, 1: 20.0, 2: 30.0})])
    assert found.n == 3 and found.mean == pytest.approx(2) and found.half == pytest.approx(2.4841, abs=1e-4)
    assert found.sign == 0
    assert paired([(1, {0: 1.0}), (-1, {1: 1.0})]) is None and paired([(1, {}), (-1, {})]) is None
    single = paired([(1, {0: 3.0}), (-0.5, {0: 4.0, 1: 4.0})])
    assert single == Difference(1.0, None, 1) and single.sign == 0


def test_signs_follow_from_the_interval_alone():
    assert [Difference(mean, 1.0, 3).sign for mean in (-1.1, -1.0, 0.0, 1.0, 1.1)] == [-1, 0, 0, 0, 1]
    assert Difference(0.0, 0.0, 3).sign == 0 and Difference(0.5, 1e-14, 3).sign == 0  # equal by rounding


def test_what_chance_would_give_is_counted_over_the_intervals_alone():
    found = [Difference(2.0, 1.0, 3), Difference(-0.5, 1.0, 3), Difference(5.0, None, 1), None]
    assert "These are 2 intervals, of which 1 exclude 0." in evidence_statistics.tally(found)
    assert "about 0.1 of them" in evidence_statistics.tally(found)
    assert "there is no interval" in evidence_statistics.tally(found[2:])


# ---- tables


def test_differences_are_marked_and_say_which_have_no_interval():
    cells = grid(none=[40.0, 42.0, 41.0], cutmix=[38.0, 40.2, 38.9], mixup=[40.5, 41.0, 41.5], fmix=[39.0])
    text = "\n".join(evidence_tables.differences(cells))
    rows = text.partition("Clean images, minus none; n = 3 unless given:")[2].splitlines()
    # -2, -1.8 and -2.1: mean -1.967, deviation .1528.
    assert rows[4:7] == [
        "| mixup | +0.00 ± 2.15 n.s. |",
        "| cutmix | **-1.97 ± 0.38** |",
        "| fmix | -1.00 (n = 1) |",
    ]
    against = text.partition("Clean images, minus CutMix; n = 3 unless given:")[2].splitlines()
    assert against[4:6] == ["| mixup | +1.97 ± 2.51 n.s. |", "| fmix | +1.00 (n = 1) |"]
    # Two columns; two methods against none, one against CutMix.
    assert "These are 6 intervals, of which 2 exclude 0." in " ".join(text.split())
    assert not evidence_tables.differences(grid(fmix=[40.0]))


@pytest.mark.parametrize(
    ("titles", "legend"),
    [
        ([CLEAN], "Below 0 is better. **Bold**"),
        ([CLEAN, "AUROC, mean, %"], "Below 0 is better; above 0 for AUROC. **Bold**"),
    ],
)
def test_the_legend_says_which_way_is_better_in_the_columns_that_are_there(titles, legend):
    cells = [cell(m, seed, summary=dict.fromkeys(titles, 40.0)) for m in ("none", "cutmix") for seed in range(3)]
    assert legend in " ".join(" ".join(evidence_tables.differences(cells)).split())
    columns = {label for table in evidence_grid.COMPARED.values() for label in table}
    assert columns >= set(evidence_grid.MORE_IS_BETTER)


def test_tables_are_no_wider_than_a_page():
    summary = {title: 123.456 for table in evidence_grid.TABLES.values() for title in table.values()}
    cells = [cell("cutmix-complete-label", seed, summary=summary) for seed in (0, 1, 2)]
    cells[1] = cells[1]._replace(summary=dict.fromkeys(summary, 113.456))
    lines = [*evidence_tables.tables(cells), *evidence_tables.notes(cells)]
    assert max(map(len, lines)) <= 120
    assert "Not measured yet" not in "\n".join(lines)


def test_the_time_to_an_accuracy_is_summed_over_the_epochs():
    history = {"epoch": [1, 2, 3], "watched error, %": [60.0, 45.0, 39.0], "seconds": [1.0, 1.0, 1.0]}
    made = cell(history=history | {"cpu seconds": [2.0, 2.5, 2.0]})
    found = [evidence_values.seconds_to(made, accuracy) for accuracy in (40, 55, 56, 61, 62)]
    assert found == [2.0, 4.5, 6.5, 6.5, math.inf]
    assert [evidence_values.error_within(made, seconds) for seconds in (1.9, 2.0, 6.4, 99.0)] == [
        None,
        60.0,
        45.0,
        39.0,
    ]
    on_gpu = made._replace(versions=VERSIONS | {"devices": {"platform": "gpu"}})
    assert evidence_values.seconds_to(on_gpu, 55) == 2.0 and evidence_values.training_seconds(on_gpu) == 50.0
    for lacking in (cell(), cell(history=history | {"cpu seconds": [2.0, None, 2.0]})):
        assert evidence_values.seconds_to(lacking, 40) is None and evidence_values.error_within(lacking, 9.0) is None
    slow = made._replace(method="augmix", seconds={"train cpu": 240.0})
    text = "\n".join(evidence_tables.cost([made, slow, slow._replace(seed=1, history={})]))
    assert "| none | 1 | 40.00 | 2.000 | 3.000 |" in text
    assert "| augmix | 2 | 40.00 ± 0.00 | 2.000 (1 of 1) | 3.000 (1 of 1) |" in text
    assert "| none | 1 | 80.00 | 1.00 | 4.500 | 6.500 | 39.00 |" in text
    assert "| augmix | 2 | 240.00 ± 0.00 | 3.00 | 4.500 (1 of 1) | 6.500 (1 of 1) |" in text


def test_seconds_of_one_device_alone_are_compared():
    gpu = {"versions": VERSIONS | {"devices": {"platform": "gpu"}}, "device": "a GPU"}
    cells = [cell(seed=0), cell(seed=1), cell(seed=2, **gpu), cell("cutmix", **gpu, seconds={"train": None})]
    assert evidence_values.timed(cells) == cells[:2] and evidence_values.timed(cells[3:]) == []
    assert "of the 2 trainings on a device whose seconds are known" in "\n".join(evidence_tables.cost(cells))
    assert "no seconds to compare" in "\n".join(evidence_tables.cost(cells[3:]))
    assert evidence_figures.data(cells)["cost"]["training seconds"] == {"none": (80.0, 0.0, 2)}
    rows = [line.split() for line in evidence_pages.listing(cells).splitlines()]
    assert [row[-1] for row in rows if row and row[0] in ("none", "cutmix")][:2] == ["1.0", "-"]  # minutes, or unknown


def test_trainings_on_several_devices_are_named_and_their_differences_are_warned_of():
    gpu = {"device": "a GPU", "versions": VERSIONS | {"devices": {"platform": "gpu"}}}
    alone = [cell(method, seed) for method in ("none", "cutmix") for seed in range(2)]
    assert "devices in it" not in "\n".join(evidence_tables.differences(alone))
    cells = [*alone[:3], cell("cutmix", 1, **gpu), cell("sage", 0, **gpu)]
    text = " ".join(" ".join(evidence_tables.notes(cells)).split())
    assert "Trained on a device, jax 0.0, flax 0.0: none, cutmix 0; a GPU, jax 0.0, flax 0.0: cutmix 1, sage." in text
    assert "a difference has that of the devices in it" in "\n".join(evidence_tables.differences(cells))
    assert evidence_tables.devices(cells) == "a device; on a GPU"


def test_a_centered_box_is_shown_and_not_compared():
    metrics = {"metrics": {"center baseline, MaxBoxAccV2": 0.571}}
    known = cell(measurements={"localization": metrics})
    assert evidence_values.value(known, "MaxBoxAccV2 of a centered box, %") == pytest.approx(57.1)
    assert evidence_values.value(cell(), "MaxBoxAccV2 of a centered box, %") is None
    assert not any("of a centered box, %" in table for table in evidence_grid.COMPARED.values())


def test_claims_of_our_own_are_counted_apart():
    own = claim(source="Ours", figure="")
    text = " ".join(evidence_claims.page(grid(augmix=[40.0], none=[41.0]), claims=[claim(), own]).split())
    assert "Of 1 published claim, " in text and "Of 1 claim of our own, " in text and "| Ours |" in text


def test_families_are_means_over_their_corruptions_and_severities():
    assert evidence_values.families(cell(error=40.0)) == pytest.approx(dict.fromkeys(evidence_grid.FAMILIES, 50.0))
    assert sum(len(names) for names in evidence_grid.FAMILIES.values()) == 15
    rise = "rise of the corruption error from severity 1 to 5, points"
    assert evidence_values.value(cell(), rise) == pytest.approx(4.0)
    assert evidence_values.value(cell(measurements={}), rise) is None
    # Of cells from before the calibration error it is unknown, and the error as it was.
    both, calibration = cell(), "rise of the RMS calibration error from severity 1 to 5, points"
    assert evidence_values.value(both, calibration) is None
    errors = both.measurements["corruptions"]
    whole = {name: {"error": one, "RMS calibration error": one / 4} for name, one in errors.items()}
    both = both._replace(measurements={"corruptions": whole})
    assert evidence_values.value(both, rise) == pytest.approx(4.0)
    assert evidence_values.value(both, calibration) == pytest.approx(1.0)
    levels = [f"RMS calibration error at severity {severity}, %" for severity in (1, 5)]
    assert [evidence_values.value(both, level) for level in levels] == pytest.approx([12.0, 13.0])
    assert not evidence_values.families(cell(measurements={}))


# ---- figures


def test_figures_hold_what_they_plot_and_a_method_in_all_its_axes_alone(tmp_path):
    cells = grid(none=[40.0], cutmix=[38.0, 39.0])
    cells[0] = cells[0]._replace(seconds={})  # as of a cell whose seconds are unknown: no point in the figure of cost
    found = evidence_figures.data(cells)
    assert list(found) == ["corruption", "families", "cost"]  # calibration is unknown
    assert found["corruption"][CORRUPTION] == {"none": (50.0, None, 1), "cutmix": (48.5, 0.7071, 2)}
    assert found["cost"] == {"training seconds": {"cutmix": (80.0, 0.0, 2)}, CLEAN: {"cutmix": (38.5, 0.7071, 2)}}
    paths = evidence_figures.write(tmp_path, cells)
    assert [path.name for path in paths] == [f"small-tiny-made-up-{name}.svg" for name in found]
    for path, plotted in zip(paths, found.values(), strict=True):
        text = path.read_text()
        assert evidence_figures.plotted(path) == json.loads(json.dumps(plotted))
        assert ">cutmix</text>" in text and "<dc:date>" not in text
        n = "n = 2, mean" if path.stem.endswith("cost") else "n = 1 to 2, mean"  # its own
        assert f"wrn-10-2 on Tiny (made up), {n}" in text
    again = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in evidence_figures.write(tmp_path, cells)] == again


def test_labels_of_points_that_are_close_do_not_overlap():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    values = {name: (40 + 0.02 * place, None, 1) for place, name in enumerate(evidence_grid.MAIN[:8])}
    axes = {CLEAN: values, CORRUPTION: dict.fromkeys(values, (50.0, None, 1))}
    figure = evidence_figures._scatter(axes, True)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == 8
    overlaps = [evidence_figures._overlap(a, b) for n, a in enumerate(boxes) for b in boxes[:n]]
    assert max(overlaps) == 0


# ---- claims


def claim(**changes):
    about = {"part": "A part", "claim": "It helps", "source": "Somebody, 2020", "figure": ""}
    return about | {"column": CLEAN, "terms": {"cutmix": 1, "none": -1}, "claimed": "below"} | changes


@pytest.mark.parametrize(
    ("cutmix", "below", "above"),
    [
        ([38.0, 40.2, 38.9], ("agrees", ""), ("disagrees", "")),
        ([42.0, 44.2, 42.9], ("disagrees", ""), ("agrees", "")),
        ([39.0, 43.0, 41.0], *[("can't say", "the interval contains 0")] * 2),
        ([38.0], *[("can't say", "n = 1")] * 2),
        ([], *[("can't say", "not measured")] * 2),
    ],
)
def test_a_verdict_follows_from_the_interval(cutmix, below, above):
    cells = grid(none=[40.0, 42.0, 41.0], cutmix=cutmix)
    for claimed, expected in (("below", below), ("above", above)):
        found = evidence_claims.measured(claim(claimed=claimed), cells)
        assert (found.verdict, found.reason) == expected


def test_chance_is_counted_over_claims_that_compare_like_with_like():
    cells = grid(none=[40.0, 42.0, 41.0], augmix=[19.0, 20.2, 19.4])
    claims = [claim(terms={"augmix": 1, "none": -1}), claim(claim="It halves", terms={"augmix": 1, "none": -0.5})]
    text = " ".join(evidence_claims.page(cells, claims=claims).split())
    assert (
        "1 of all that compare one method with another have an interval; if none differed from another, about 0.1"
        in text
    )


def test_a_value_that_is_not_finite_is_unknown():
    cells = grid(none=[40.0, float("nan"), 41.0], cutmix=[38.0, 40.0, 39.0])
    found = evidence_claims.measured(claim(), cells)
    assert found.difference.n == 2


def test_a_claim_may_have_factors():
    cells = grid(none=[40.0, 42.0, 41.0], augmix=[19.0, 20.2, 19.4])
    found = evidence_claims.measured(claim(terms={"augmix": 1, "none": -0.5}), cells)
    # -1, -.8 and -1.1.
    assert (found.ours, found.verdict) == ("augmix - 0.5 none: -0.97 ± 0.38, n = 3", "agrees")
    text = evidence_claims.page(cells, claims=[claim(terms={"augmix": 1, "none": -0.5}, note="A note.")])
    assert "Of 1 published claim, our measurements agree with 1 and disagree with 0; of 0 they can't say. No" in text
    row = "| It helps | Somebody, 2020: figure not given | clean error, %: augmix - 0.5 none: -0.97 ± 0.38, n = 3 | "
    assert row + "**agrees** | `--methods augmix none` |" in text and "On “It helps”: A note." in text


@pytest.mark.parametrize(
    ("fast", "slow", "expected"),
    [
        ([1.0, 1.2], [1.3, 1.5], "agrees"),
        ([1.3, 1.5], [1.0, 1.2], "disagrees"),
        ([1.0, 1.4], [1.3, 1.5], "can't say"),
    ],
)
def test_a_verdict_on_run_time_follows_from_the_quartiles(tmp_path, fast, slow, expected):
    rows = {name: {"ratio": sum(q) / 2, "quartiles": q} for name, q in (("sage", fast), ("puzzlemix", slow))}
    content = {"model": "resnet-8", "batch": 128, "device": "a device", "results": rows}
    (tmp_path / "step.json").write_text(json.dumps(content))
    timed = {"times": "step.json", "faster": "sage", "slower": "puzzlemix"}
    assert evidence_claims.timed(timed, tmp_path).verdict == expected
    assert evidence_claims.timed(timed | {"slower": "comixup"}, tmp_path).reason == "not measured"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column": "luck, %"}, "names the column 'luck, %', which is no table's"),
        ({"terms": {"cutmax": 1}}, "names \\['cutmax'\\], which the grid hasn't"),
        ({"claimed": "better"}, "names better, which the grid hasn't"),
        ({"setting": "flowers", "terms": {"fmix": 1}}, "names \\['fmix'\\], which the grid hasn't"),
        ({"setting": "trees"}, "names the setting 'trees', which the grid hasn't"),
        ({"why": ""}, "a claim has .*why; wanted part, claim, source, figure, and claimed, column, terms or"),
    ],
)
def test_a_claim_that_the_grid_cannot_test_is_a_mistake(changes, message):
    evidence_claims.check(claim())
    with pytest.raises(ValueError, match=message):
        evidence_claims.check(claim(**changes))


def test_the_claims_are_complete_and_each_is_there_once():
    claims = evidence_claims.read()
    assert len(claims) >= 40 and len({one["claim"] for one in claims}) == len(claims)
    text = evidence_claims.page([])
    assert all(f"| {one['claim']} | {one['source']}" in text for one in claims)
    without = [f"Setting `{name}`, no data yet" for name in ("small", "severities", "objects", "flowers")]
    assert re.findall("Setting `.*", text) == without


def test_a_claim_of_a_setting_is_tested_there_alone():
    cells = grid(none=[40.0, 42.0, 41.0], cutmix=[38.0, 40.2, 38.9])
    elsewhere = [made._replace(setting="flowers") for made in cells]
    claims = [claim(), claim(claim="It helps flowers", setting="flowers")]
    small, flowers = evidence_claims.page([*cells, *elsewhere], claims=claims).split("## Setting `flowers`")
    assert "| It helps |" in small and "| It helps flowers |" in flowers
    assert "It helps flowers" not in small and "| It helps |" not in flowers and "--setting flowers" in flowers


# ---- README.md


def test_the_readme_is_filled_between_its_markers_alone():
    start, end = evidence_pages.MARKERS
    assert evidence_pages.filled("no markers", "new") == "no markers"
    once = evidence_pages.filled(f"a {start} old {end} b", "new")
    assert once == f"a {start}\nnew\n{end} b" and evidence_pages.filled(once, "new") == once
    for text in (start, f"{end} {start}", f"{start} {start} {end}"):
        with pytest.raises(ValueError, match="once each, or neither"):
            evidence_pages.filled(text, "new")


def test_the_table_of_the_readme_has_the_main_methods_with_their_deviations():
    cells = grid(none=[40.0, 42.0], mixup=[39.0], cutmix_scheduled=[38.0])
    text = evidence_pages.snippet(cells)
    assert text.startswith("Mean ± standard deviation over seeds: wrn-10-2, the first 2,048 training images")
    assert "| none | 2 | 41.00 ± 1.41 |  | 51.00 ± 1.41 |  |" in text and "| mixup | 1 | 39.00 |" in text
    assert "cutmix-scheduled" not in text and "no results" in evidence_pages.snippet([])
