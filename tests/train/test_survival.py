"""A run that was killed, or that could not write, loses nothing."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

SCRIPT = pathlib.Path(__file__).with_name("survivor.py")
pytestmark = pytest.mark.slow


def survivor(folder, *arguments):
    process = subprocess.run([sys.executable, SCRIPT, folder, *arguments], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_thirty_kills_at_random_moments_are_resumed_to_the_same_bits(tmp_path):
    found = survivor(tmp_path, "random", "30")
    assert not found["failed"] and found["resumed"] >= found["kills"] == 30


def test_a_kill_before_any_operation_on_a_file_is_resumed_to_the_same_bits(tmp_path):
    found = survivor(tmp_path, "walk")
    assert not found["failed"] and found["kills"] == found["resumed"] > 40


def test_each_fault_is_one_line_and_once_mended_the_run_ends_with_the_same_bits():
    with tempfile.TemporaryDirectory() as folder:  # unlike those of pytest below folders that everybody may open
        pathlib.Path(folder).chmod(0o755)
        found = survivor(folder, "faults")
    for name, (code, message) in {
        "full at the start": (2, r"config\.json: File too large: [\d.,]+ MB are free$"),
        "full at a checkpoint": (
            1,
            r"checkpoints/4 can't be written: File too large; it needs about [\d.]+ MB, [\d.,]+ MB are free; the last "
            r"checkpoint is .*/2; go on with the same command and only --resume ",
        ),
        "another process": (2, r"is in use by process \d+ on .*\. Wait for its end or stop it"),
        "a folder without permission": (2, "Permission denied: change its permissions, or name another folder$"),
        "a run without permission": (2, "Permission denied: change its permissions, or name another folder$"),
        "two interrupts in a save": (
            130,
            r"^interrupted; stopped at once; the last checkpoint is .*/[23]; go on with ",
        ),
        "the end of the terminal": (129, None),
    }.items():
        outcome = found[name]
        assert (outcome["code"], outcome["mended"]) == (code, True), (name, outcome)
        errors = [line for line in outcome["lines"] if line and not line.startswith("epoch ")]
        assert len(errors) == (message is not None), (name, outcome)
        assert not errors or re.search(message, errors[0]), errors
        assert not errors or errors[0].startswith("error: ") == (code < 3)
