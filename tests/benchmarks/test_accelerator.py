"""The command that measures everything: its file, its time, and that every phase runs."""

import importlib
import json
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

pytestmark = pytest.mark.unoptimized
ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import accelerator
import goals
import made_up
from items import GOAL, MAIN, REST, Context, Item, Program, in_words
from journal import Journal
from phases import PHASES, copy, sanity
from timetable import Timetable, in_order

COMMON = {"device": "a", "platform": "cpu", "versions": {"jax": "1"}, "code": "c"}


def item(name="x", rank=MAIN, guess=1.0, phase="copy", result=None):
    return Item(phase, name, {"shape": [2]}, rank, guess, dict, lambda programs: result or {"ms": 1.0})


def journal_with(path, **changes):
    return Journal(path, COMMON | changes)


def key(journal, name="x"):
    return journal.key("copy", name, {"shape": [2]})


# ---- the file


def test_a_result_is_on_disk_at_once_and_found_again_under_its_own_key(tmp_path):
    path = tmp_path / "results" / "a.jsonl"
    journal = journal_with(path)
    journal.add(key(journal), result={"ms": 1.0}, seconds=2.0)
    assert json.loads(path.read_text())["result"] == {"ms": 1.0}
    again = journal_with(path)
    assert again.has(key(again)) and not again.has(key(again, "y"))
    for other in ({"device": "b"}, {"versions": {"jax": "2"}}, {"code": "d"}):
        assert not journal_with(path, **other).has(key(journal_with(path, **other)))
        assert journal_with(path, **other).found() == []
    assert [record["result"] for record in again.found("copy")] == [{"ms": 1.0}] and again.found("mix") == []


def test_a_failure_is_no_result_and_the_newest_of_two_results_counts(tmp_path):
    journal = journal_with(tmp_path / "a.jsonl")
    journal.add(key(journal), failed="MemoryError: ")
    assert not journal.has(key(journal)) and len(journal.attempts(key(journal))) == 1
    journal.add(key(journal), result={"ms": 1.0})
    journal.add(key(journal), result={"ms": 2.0})
    assert [record["result"]["ms"] for record in journal.found()] == [2.0]


@pytest.mark.parametrize("lost", [1, 20, 60])
def test_a_line_that_was_cut_in_writing_is_taken_away_and_its_item_measured_again(tmp_path, lost):
    path = tmp_path / "a.jsonl"
    journal = journal_with(path)
    for name in ("x", "y"):
        journal.add(key(journal, name), result={"ms": 1.0})
    path.write_bytes(path.read_bytes()[:-lost])
    again = journal_with(path)
    assert again.has(key(again, "x")) and not again.has(key(again, "y"))
    again.add(key(again, "y"), result={"ms": 3.0})
    assert [json.loads(line)["key"]["name"] for line in path.read_text().splitlines()] == ["x", "y"]


@pytest.mark.parametrize("content", ["no JSON\n", "[1]\n", '{"key": 3}\n', '{"result": {}}\n'])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, content, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    assert accelerator.main(["--minutes", "0", "--out", str(path)]) == 2
    assert "a.jsonl is not a file of results of this program" in capsys.readouterr().err
    assert path.read_text() == content


# ---- the time


def test_what_the_last_items_took_corrects_the_guess_of_the_next():
    table = Timetable(100.0, time.monotonic())
    assert table.expected(item(guess=5.0)) == 5.0
    table.took(item(guess=1.0), 4.0)
    assert table.expected(item(guess=5.0)) == 20.0
    assert table.expected(item(guess=5.0, phase="mix")) == 20.0
    table.took(item(guess=4.0, phase="mix"), 1.0)
    assert table.expected(item(guess=4.0, phase="mix")) == 1.0
    table.took(item(guess=4.0, phase="mix"), 2.0)
    table.took(item(guess=4.0, phase="mix"), 1.0)
    assert table.expected(item(guess=4.0, phase="mix")) == 2.0
    assert table.fits(item(guess=20.0)) and not table.fits(item(guess=30.0))


def test_goals_come_first_and_what_failed_before_last():
    first, second, third = item("a", GOAL), item("b", MAIN), item("c", REST)
    assert in_order([third, second, first], [False] * 3) == [first, second, third]
    assert in_order([third, second, first], [False, False, True]) == [second, third, first]


class Fixed:
    """A phase of given items."""

    COLUMNS = copy.COLUMNS

    def __init__(self, *items):
        self.given = items

    def items(self, context):
        return iter(self.given)


def run(monkeypatch, path, *items, minutes=1.0):
    monkeypatch.setitem(PHASES, "copy", Fixed(*items))
    return accelerator.main(["--only", "copy", "--minutes", str(minutes), "--out", str(path)])


def test_what_has_no_time_is_left_for_the_next_run_and_what_is_cheaper_is_measured(monkeypatch, tmp_path, capsys):
    path, order = tmp_path / "a.jsonl", []

    def noting(name):
        return lambda programs: order.append(name) or {"ms": 1.0}

    dear, cheap = (
        Item("copy", name, {}, MAIN, guess, dict, noting(name)) for name, guess in (("dear", 100.0), ("cheap", 1.0))
    )
    assert run(monkeypatch, path, dear, cheap) == 0
    assert order == ["cheap"]
    assert "1 items are missing, the first of them copy dear" in capsys.readouterr().out
    assert run(monkeypatch, path, dear, cheap, minutes=5) == 0
    assert order == ["cheap", "dear"]
    before = path.read_text()
    assert run(monkeypatch, path, dear, cheap, minutes=5) == 0
    assert order == ["cheap", "dear"] and path.read_text() == before


def test_a_failing_item_is_written_down_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    def broken(programs):
        raise MemoryError("out of memory: 3 GB\nand a long story")

    path = tmp_path / "a.jsonl"
    assert run(monkeypatch, path, Item("copy", "big", {}, GOAL, 1.0, dict, broken), item()) == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record.get("failed") for record in records] == ["MemoryError: out of memory: 3 GB", None]
    assert "copy big  (0.0 s): failed MemoryError" in capsys.readouterr().out


SLOW_ITEM = """
import sys, time
sys.path.insert(0, {folder!r})
import accelerator
from items import GOAL, Item
from phases import PHASES, copy
class Fixed:
    COLUMNS = copy.COLUMNS
    def items(self, context):
        yield Item("copy", "quick", {{}}, GOAL, 1.0, dict, lambda programs: {{"ms": 1.5}})
        yield Item("copy", "slow", {{}}, GOAL, 1.0, dict, lambda programs: time.sleep({sleep}) or {{"ms": 2.5}})
PHASES["copy"] = Fixed()
sys.exit(accelerator.main(["--only", "copy", "--minutes", "{minutes}", "--out", {path!r}]))
"""


def slow_run(path, minutes, sleep=600):
    code = SLOW_ITEM.format(folder=str(ROOT / "benchmarks"), minutes=minutes, sleep=sleep, path=str(path))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)


class Left(BaseException):
    """In place of the end of the process."""


def test_the_end_of_the_time_is_written_down_for_the_item_at_work_and_shows_the_tables(monkeypatch, tmp_path, capsys):
    def leave(code):
        raise Left(code)

    monkeypatch.setattr(accelerator.os, "_exit", leave)
    journal = journal_with(tmp_path / "a.jsonl")
    journal.add(key(journal, "quick"), result={"ms": 1.5})
    watch = accelerator.Watch(journal, Timetable(0.0, time.monotonic()), ["copy"])
    watch._end()  # nothing is at work: the program is at its own end
    watch.now = item("slow"), time.monotonic() - 20
    with pytest.raises(Left, match="0"):
        watch._end()
    shown = capsys.readouterr().out
    assert "the time is up in the middle of copy slow 2" in shown and "| quick | 2 | 1.5000 |" in shown
    (attempt,) = journal_with(tmp_path / "a.jsonl").attempts(key(journal, "slow"))
    assert 20 <= attempt["cut"] < 40
    # It isn't begun again where there is no more time than that.
    monkeypatch.setitem(PHASES, "copy", Fixed())
    for seconds, done in ((15.0, False), (1000.0, True)):
        assert accelerator.measured(item("slow"), journal, Timetable(seconds, time.monotonic()), watch) == done


@pytest.mark.slow
def test_the_time_ends_also_a_process_in_which_an_item_takes_too_long(tmp_path):
    path = tmp_path / "a.jsonl"
    process = slow_run(path, 0.5)  # of which the last 3 s are kept for the end
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "the time is up in the middle of copy slow" in output and "| quick |  | 1.5000 |" in output
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert records[0]["result"] == {"ms": 1.5} and 0 < records[1]["cut"] < 60


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.slow
def test_a_killed_run_loses_what_it_was_at_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    process = slow_run(path, 5)
    while not (path.exists() and path.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.communicate()
    again, _ = slow_run(path, 5, sleep=0).communicate(timeout=300)
    assert "2 items, 1 of them there" in again
    assert [json.loads(line)["key"]["name"] for line in path.read_text().splitlines()] == ["quick", "slow"]


# ---- what is measured


def test_every_phase_has_items_with_keys_of_their_own_on_every_platform():
    for platform in ("cpu", "gpu", "tpu"):
        for smoke in (False, True):
            context = Context(platform, smoke)
            for phase, module in PHASES.items():
                items = list(module.items(context))
                assert items or phase == "learn"
                keys = [json.dumps([i.phase, i.name, i.setting], sort_keys=True) for i in items]
                assert len(set(keys)) == len(keys)
                assert all(i.phase == phase and i.guess > 0 for i in items)
            assert smoke or any("no data" in note for note in context.notes)


def test_goals_on_a_gpu_are_measured_before_the_rest_and_fit_in_eight_minutes_as_guessed():
    items = [i for module in PHASES.values() for i in module.items(Context("gpu"))]
    wanted = [i for i in items if i.rank == GOAL]
    assert {i.phase for i in wanted} == {"copy", "mix", "policies", "sanity", "train"}
    assert sum(i.guess for i in wanted) < 480
    trained = [i.name for i in wanted if i.phase == "train"]
    assert trained == ["none", "cutmix", "augmix", "sage", "puzzlemix"]


def test_a_peer_that_cannot_be_imported_is_skipped_and_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    context = Context("cpu")
    assert not [i for i in PHASES["mix"].items(context) if i.name.startswith(("timm", "torchvision"))]
    assert [note for note in context.notes if note.startswith("timm can't be imported")]


def test_an_unknown_phase_says_which_there_are(capsys):
    with pytest.raises(SystemExit) as end:
        accelerator.main(["--only", "speed"])
    assert end.value.code == 2
    assert "'speed'" in (error := capsys.readouterr().err) and all(phase in error for phase in PHASES)


def test_help_explains_every_phase(capsys):
    with pytest.raises(SystemExit):
        accelerator.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"\n  {phase} " in shown for phase in PHASES)


def test_settings_in_words_leave_out_what_is_off():
    setting = {"shape": [2, 8, 8, 3], "dtype": "uint8", "per_batch": False, "steps_per_call": 8, "deterministic": True}
    assert in_words(setting) == "2x8x8x3 uint8 steps per call 8 deterministic"


def test_a_copy_and_a_method_run_with_bandwidths_that_follow_from_their_times(tmp_path):
    path = tmp_path / "a.jsonl"
    assert accelerator.main(["--smoke", "--only", "copy", "--out", str(path)]) == 0
    found, blend = (json.loads(line)["result"] for line in path.read_text().splitlines())
    size = 4 * 16 * 16 * 3 * 4
    np.testing.assert_allclose(found["gigabytes_per_second"], 2 * size / found["ms"] / 1e6)
    np.testing.assert_allclose(blend["gigabytes_per_second"], 3 * size / blend["ms"] / 1e6)
    assert copy.share_of_copy(3 * size, [4, 16, 16, 3], "float32", [3.0, 3.0], [1.0, 1.0]) == 0.5


def test_the_whole_mix_moves_its_masks_too():
    mix = PHASES["mix"]
    shape, images = [4, 8, 8, 3], 3 * 4 * 8 * 8 * 3 * 4
    assert mix.moved("cutmix", shape, "float32", "weights") == images
    assert mix.moved("cutout", shape, "float32", "weights") == images * 2 // 3
    masks, weights, sources = 4 * 2 * 8 * 8 * 4, 4 * 2 * 4, 4 * 2 * 4
    assert mix.moved("cutmix", shape, "float32", "mix") == images + masks + weights + sources


def test_other_draws_and_other_roundings_are_told_apart():
    mix = importlib.import_module("jaxmix").cutmix
    x, key = made_up.images(4, 16, "float32"), jax.random.key(0)
    same = jax.device_get(mix(key, x))
    other = jax.device_get(mix(jax.random.key(1), x))
    assert sanity.differences(same, same)["draws"] == "the same bits: sources, boxes"
    found = sanity.differences(same, other)
    assert found["draws"] == "others: boxes" and found["images_off_by"] > 0 and found["weights_off_by"] > 0
    rounded = same[0] * np.float32(1 + 2e-7), same[1]
    found = sanity.differences(same, rounded)
    assert found["draws"].startswith("the same bits") and 0 < found["images_off_by"] < 1e-6


def test_the_contract_finds_a_method_whose_weights_are_no_shares_and_one_that_ignores_its_key():
    cutmix = importlib.import_module("jaxmix").cutmix
    x, key = made_up.images(4, 16, "float32"), jax.random.key(0)

    def wrong(key, x):
        images, mix = cutmix(jax.random.key(5), x)
        return images, mix._replace(weight=mix.weight * 0.9)

    assert sanity.contract(cutmix, key, x) == []
    assert sanity.contract(wrong, jax.random.key(1), x) == ["weights are shares", "another key, another mix"]


def test_goals_count_what_reaches_them_and_name_what_falls_short():
    def record(phase, name, setting, **result):
        return {"key": {"phase": phase, "name": name, "setting": setting}, "result": result}

    cell = {"shape": [128, 224, 224, 3], "dtype": "float32", "returned": "weights", "per_batch": False}
    step = {"model": "preact-resnet-18", "shape": [512, 32, 32, 3], "dtype": "bfloat16"}
    rows = goals.table(
        [
            record("mix", "cutmix", cell, share_of_copy=0.9),
            record("mix", "fmix", cell, share_of_copy=0.1),
            record("mix", "cutmix", cell | {"per_batch": True}, share_of_copy=0.1),
            record("train", "none", step, images_per_second=31_000.0),
            record("train", "cutmix", step, augmentation_share=0.03),
            record("sanity", "cutmix", {"shape": [4, 32, 32, 3]}, draws="others: boxes"),
        ]
    ).splitlines()
    assert "| 1 of 2 | fmix 224 px float32 10% |" in rows[2]
    assert "| not measured |" in rows[3]
    assert any("| 1 of 1: 31,000 |  |" in row for row in rows)
    assert any("0 of 1: 3.0% | cutmix 32 px bfloat16 3.0% |" in row for row in rows)


@pytest.mark.slow
def test_all_phases_run_in_tiny_sizes_and_a_second_run_adds_nothing(tmp_path, capsys):
    path = tmp_path / "smoke.jsonl"
    arguments = ["--smoke", "--minutes", "8", "--out", str(path)]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as in a process of its own
        assert accelerator.main(arguments) == 0
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert not [record for record in records if "result" not in record]
        assert {record["key"]["phase"] for record in records} == set(PHASES)
        output, before = capsys.readouterr().out, path.read_text()
        assert all(f"\n{phase}\n" in output for phase in PHASES)
        assert accelerator.main(arguments) == 0
    assert path.read_text() == before
    assert f"{len(records)} items, {len(records)} of them there" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("phase", [name for name in PHASES if name != "learn"])
def test_programs_lower_for_gpus(phase):
    for found in PHASES[phase].items(Context("gpu", smoke=True)):
        for program in found.programs().values():
            assert isinstance(program, Program)
            steps = hasattr(program.function, "func")  # the trainer's, jitted, with its number of steps bound
            function = program.function.func if steps else jax.jit(program.function)
            keywords = program.function.keywords if steps else {}
            exported = jax.export.export(function, platforms=["cuda"])(*program.arguments(), **keywords)
            assert "callback" not in exported.mlir_module()
