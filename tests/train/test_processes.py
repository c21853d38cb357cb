"""Several processes: options, what they decide together, and how one of them ends, with the others made up."""

import json
import signal

import jax
import numpy as np
import pytest

import agreements
import configuration
import exits
import processes
from processes import ProcessOptions


def test_a_process_alone_sends_nothing_and_needs_no_device(monkeypatch):
    monkeypatch.setattr(agreements.multihost_utils, "process_allgather", None)
    monkeypatch.setattr(jax, "process_count", None)
    for name in ("SLURM_NTASKS", "TPU_WORKER_HOSTNAMES", "TPU_PROCESS_ADDRESSES", "MEGASCALE_COORDINATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")  # JAX sets it where there is no TPU
    processes.start(ProcessOptions())
    assert (processes.number(), processes.count(), processes.first()) == (0, 1, True)
    agreement = agreements.Agreement()
    assert [agreement.after(step, noted) for step, noted in ((0, 0), (1, 15), (2, 0))] == [0, 15, 0]
    assert agreement.ask(3, 2) == agreement.number == 2
    with agreements.together():
        pass
    agreements.require_same(options={"lr": 0.1})
    assert agreements.gathered("text") == ["text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("node1:1234", None, 0), "--coordinator, --processes and --process go together; wanted --processes too"),
        ((None, 2, None), "wanted --coordinator and --process too"),
        (("node1", 2, 0), "--coordinator is node1; wanted HOST:PORT"),
        (("node1:99999", 2, 0), "--coordinator is node1:99999; wanted HOST:PORT"),
        (("node1:1234", 2, 2), "--process is 2; wanted less than --processes, 2"),
        (("node1:1234", 0, 0), "--processes is 0; wanted 1 or more"),
        (("node1:1234", 2, -1), "--process is -1; wanted 0 or more"),
    ],
)
def test_options_that_do_not_suit_each_other_are_refused(options, message):
    names = ("coordinator", "processes", "process")
    with pytest.raises(ValueError, match=message):
        configuration.check(configuration.RunOptions(**dict(zip(names, options, strict=True))))


def test_the_configuration_of_a_run_does_not_hold_where_its_processes_were():
    options = configuration.RunOptions(coordinator="node1:1234", processes=2, process=1, heartbeat_seconds=5)
    assert configuration.encode("cifar", options) == configuration.encode("cifar", configuration.RunOptions())


SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "node[1-2]", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}
SLURM |= {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (SLURM, "waiting for 2 processes of step 0 of SLURM job 7 at node[1-2], up to 300 s"),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "waiting for the processes of the TPU slice a,b, up to 300 s"),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
    ],
)
def test_slurm_and_tpu_slices_need_no_option(monkeypatch, capsys, environment, expected):
    calls = []
    for name, value in ({"TPU_SKIP_MDS_QUERY": "1"} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(jax.distributed, "initialize", lambda **limits: calls.append(limits))
    processes.start(ProcessOptions(heartbeat_seconds=9))
    assert len(calls) == (expected is not None)
    assert capsys.readouterr().err.strip() == (expected or "")
    assert not calls or calls[0]["heartbeat_timeout_seconds"] == 9


@pytest.fixture
def peer(monkeypatch):
    """This process as the first of two; `peer` takes what the other one sends, given what this one does."""
    answers = []

    def gather(sent):
        return np.stack([sent, answers.pop(0)(sent) if answers else np.zeros_like(sent)])

    monkeypatch.setattr(processes, "several", lambda: True)
    monkeypatch.setattr(processes, "number", lambda: 0)
    monkeypatch.setattr(agreements.multihost_utils, "process_allgather", gather)
    return answers


def text(content):
    return lambda sent: np.frombuffer(content.encode().ljust(agreements.LENGTH, b"\0"), np.uint8)


def test_an_error_of_one_process_is_that_of_all(peer):
    peer.append(text(""))
    with agreements.together():
        pass
    peer.append(text("OFile too large"))
    with pytest.raises(OSError, match="^in process 1: File too large$"), agreements.together():
        pass
    peer.append(text("Vno such file"))
    with pytest.raises(ValueError, match="^in process 1: no such file$"), agreements.together():
        pass
    peer.append(text(""))
    with pytest.raises(OSError, match="^mine$"), agreements.together():
        raise OSError("mine")
    assert not peer


def test_a_message_that_is_too_long_is_cut(peer):
    peer.append(text("é" * 400))
    assert agreements.gathered("ä" * 1200) == ["ä" * 1024, "é" * 400]


def test_processes_with_other_options_or_images_are_refused(peer):
    values = {"options": {"lr": 0.1}, "images": {"crc32": 1}}
    peer.append(lambda sent: sent)
    agreements.require_same(**values)

    def other(sent):
        found = json.loads(bytes(sent).rstrip(b"\0"))
        return text(json.dumps(found | {"images": found["images"] + 1}))(sent)

    peer.append(other)
    with pytest.raises(ValueError, match="the images of process 1 and of process 0 differ. Give every process the"):
        agreements.require_same(**values)


def test_all_processes_stop_at_the_step_at_which_they_have_asked_each_other(peer, monkeypatch):
    now = iter([0.0, 0.5, 1.0])
    monkeypatch.setattr(agreements.time, "perf_counter", lambda: next(now))
    agreement, asked = agreements.Agreement(), []

    def answer(noted, pace):
        def reply(sent):
            asked.append(list(sent))
            return np.asarray([noted, pace], np.int32)

        return reply

    peer += [answer(0, 1000), answer(signal.SIGTERM, 1000)]
    found = [agreement.after(step, 0) for step in range(4, 14)]
    # Asked at step 4, after 4 steps in 0.5 s: again 8 steps later, whatever a faster process would like.
    assert asked == [[0, 8], [0, 16]]
    assert found == [0] * 8 + [signal.SIGTERM] * 2


@pytest.fixture
def left(monkeypatch):
    codes = []

    def leave(code):
        codes.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(processes.os, "_exit", leave)
    monkeypatch.setattr(processes, "LAST", 0.0)
    return codes


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("wrong"), 2, "error: wrong"),
        (exits.StorageError("no room"), 1, "error: no room"),
        (KeyboardInterrupt(), 130, "interrupted; all is kept"),
        (
            jax.errors.JaxRuntimeError("Gloo AllGather failed\nmore"),
            1,
            "error: process 0 can't go on, as where another process has ended (Gloo AllGather failed); all is kept",
        ),
        (TypeError("a fault of the program"), 1, "TypeError: a fault of the program"),
    ],
)
def test_a_process_that_ends_by_an_error_of_its_own_ends_at_once(peer, left, capsys, error, code, message):
    with pytest.raises(SystemExit):
        processes.program(raising(error), "all is kept")
    assert left == [code] and message in capsys.readouterr().err


def test_a_code_on_which_all_processes_agree_is_returned(peer, left):
    assert processes.program(lambda: 143, "") == 143
    assert not left


def test_a_process_alone_ends_as_before(left, capsys):
    assert processes.program(raising(ValueError("wrong")), "") == 2 and "error: wrong" in capsys.readouterr().err
    with pytest.raises(jax.errors.JaxRuntimeError):
        processes.program(raising(jax.errors.JaxRuntimeError("out of memory")), "")
    assert not left


def test_arrays_and_keys_are_put_on_every_device():
    everywhere = jax.sharding.NamedSharding(
        jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)), jax.sharding.PartitionSpec()
    )
    key = jax.random.key(3)
    bits = np.asarray(jax.random.key_data(key))
    found = processes.put((np.arange(3), np.int32(4)), everywhere)
    np.testing.assert_array_equal(found[0], [0, 1, 2])
    assert found[1].shape == () and all(array.sharding == everywhere for array in found)
    np.testing.assert_array_equal(jax.random.key_data(processes.put_key(key, everywhere)), bits)
