"""Streamed images in two processes of four devices: the batches and steps of one process of eight."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import image_folders
import pytest

PROGRAM = pathlib.Path(__file__).with_name("streamed_process.py")


def outputs(folder, processes):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = f"--xla_force_host_platform_device_count={8 // processes}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    commands = [[sys.executable, str(PROGRAM), str(folder), address, str(processes), str(p)] for p in range(processes)]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    ended = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0] * processes, ended
    return [json.loads(out.splitlines()[-1]) for out, _ in ended]


@pytest.mark.slow
def test_two_processes_see_their_rows_of_the_batches_of_one(tmp_path):
    image_folders.folder_of_classes(tmp_path, train=18, val=10)
    (one,) = outputs(tmp_path, 1)
    two = outputs(tmp_path, 2)
    assert one["tested"] == [16.0, 4.0] and one["own"] == 16
    for process in two:
        assert process["own"] == 8
        assert (process["metrics"], process["tested"]) == (one["metrics"], one["tested"])
    assert len(one["rows"]) == 32 and two[0]["rows"] | two[1]["rows"] == one["rows"]
    assert not set(two[0]["rows"]) & set(two[1]["rows"])
