"""How the programs end: their exit codes, and one line for an interrupt or a mistake."""

import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest

import cifar
import compare
import evaluate
import exits

ROOT = pathlib.Path(__file__).parents[2]

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def unignored():
    """The signals as a terminal has them; whoever runs the tests may ignore some."""
    before = {number: signal.signal(number, signal.default_int_handler) for number, _ in SIGNALS}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is signal.default_int_handler
        signal.signal(number, handler)


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("wrong"), 2, "error: wrong"),
        (exits.StorageError("no room"), 1, "error: no room"),
        (PermissionError(errno.EACCES, "Permission denied", "there"), 2, "error: there: Permission denied: change its"),
        (FileExistsError(errno.EEXIST, "File exists", "there"), 2, "error: there: File exists: a file stands where a"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", b"there"), 2, "error: there: Is a directory: a folder"),
        (OSError(errno.ENOSPC, "No space left on device", "there"), 2, "MB are free"),
        (OSError("in one line"), 2, "error: in one line"),
        (KeyboardInterrupt(), 130, "interrupted; all is kept"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(capsys, error, code, line):
    assert exits.program(raising(error), "all is kept") == code
    out, text = capsys.readouterr()
    assert line in text and len(text.strip().splitlines()) == 1 and not out


def test_an_error_without_a_path_has_that_of_its_folder(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device")
    assert exits.describe(error, tmp_path).startswith(f"{tmp_path}: No space left on device: ")
    assert exits.describe(error) == "[Errno 28] No space left on device"


def test_an_error_of_the_program_itself_is_a_traceback():
    with pytest.raises(TypeError):
        exits.program(raising(TypeError()), "")


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_before_the_loop_is_one_line(capsys, monkeypatch, number, code):
    monkeypatch.setattr(cifar, "load", lambda config: signal.raise_signal(number))
    assert cifar.main(["--epochs", "1"]) == code
    assert capsys.readouterr().err == "\ninterrupted; no step was done\n"
    assert compare.main(["--out", "nowhere"]) == code
    assert capsys.readouterr().err == "\ninterrupted; finished work is kept: the same command continues\n"
    monkeypatch.setattr(evaluate, "suite_names", lambda options: signal.raise_signal(number))
    assert evaluate.main(["run"]) == code
    assert capsys.readouterr().err == "\ninterrupted; measurements are kept: the same command continues\n"


def test_a_second_signal_is_one_line_that_says_how_to_go_on(capsys):
    def run():
        with exits.Interrupt() as interrupt:
            signal.raise_signal(signal.SIGTERM)
            assert (interrupt.number, interrupt.code) == (signal.SIGTERM, 143)
            try:
                signal.raise_signal(signal.SIGINT)  # another one than the first
            except KeyboardInterrupt as stop:
                stop.add_note("stopped at once")
                raise

    assert exits.program(run, "") == 130
    assert capsys.readouterr().err == "\ninterrupted; stopped at once\n"


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert exits.program(lambda: signal.raise_signal(signal.SIGHUP) or 0, "") == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, signal.default_int_handler)


@pytest.mark.parametrize(
    ("program", "number", "code"), [(p, *s) for p, s in zip((cifar, compare, evaluate), SIGNALS, strict=True)]
)
def test_a_signal_while_a_program_imports_is_one_line(tmp_path, program, number, code):
    for module in ("jax", "tyro"):  # the first of the large packages that it imports
        (tmp_path / f"{module}.py").write_text(f"import os, signal\nos.kill(os.getpid(), {int(number)})\n")
    process = subprocess.run(
        [sys.executable, program.__file__],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr, process.stdout) == (code, "\ninterrupted\n", "")


@pytest.mark.parametrize("program", [cifar, compare, evaluate, exits])
def test_the_exit_codes_are_documented(program):
    text = " ".join(pathlib.Path(program.__file__).read_text().split('"""')[1].split())
    assert all(code in text for code in ("130", "143", "129", "SIGHUP", "0 finished"))


def test_a_reader_of_the_output_that_has_ended_is_one_line():
    code = "import exits, sys; sys.exit(exits.program(lambda: print('x' * 100_000, flush=True), ''))"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(exits.__file__).parent)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert process.returncode == 1
    assert process.stderr == "error: the reader of the output has ended (broken pipe)\n"
