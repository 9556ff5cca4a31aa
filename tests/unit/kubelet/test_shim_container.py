"""A container of the shim by itself, on the shim's own loop."""

from __future__ import annotations

import errno
import gc
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.shim.birth import StartError
from podyard.kubelet.shim.container import Container
from podyard.kubelet.shim.loop import Loop
from podyard.kubelet.shim.namespaces import Namespaces
from podyard.kubelet.shim.ports import PortWait
from tests.unit.kubelet.runtime_harness import descriptors_left, fresh_ip, run_until

SHARED: dict[str, Any] = {"network": False, "user": False, "mount": False, "ipc": False, "pid": "node"}


def new_container(loop: Loop, directory: Path, *, tty: bool, stdin: bool) -> Container:
    directory.mkdir()
    config = {
        "id": os.urandom(32).hex(),
        "command": ["sh", "-c", "exit 3"],
        "env": {},
        "workingDir": "/",
        "logPath": str(directory / "0.log"),
        "tty": tty,
        "stopSignalBlocked": False,
        "stdin": stdin,
        "stdinOnce": False,
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
        "listen": "port",
        "waitForPorts": False,
        "terminationLog": str(directory / "termination-log"),
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "state.json").write_text(json.dumps({"state": "created"}))
    namespaces = Namespaces(SHARED, str(directory))
    return Container(loop, str(directory), fresh_ip(), namespaces, lambda *_: None)


def descriptors() -> int:
    gc.collect()  # of earlier tests
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("tty", [True, False])
@pytest.mark.parametrize("stdin", [True, False])
def test_a_start_that_lacks_descriptors_leaves_none(tmp_path: Path, tty: bool, stdin: bool) -> None:
    loop = Loop()
    before = descriptors()
    for left in range(1, 30):
        container = new_container(loop, tmp_path / str(left), tty=tty, stdin=stdin)
        try:
            with descriptors_left(left):
                container.start()
            break
        except StartError as error:
            assert "too many open files" in str(error)
        assert descriptors() == before
        assert (container.state["exitCode"], container.state["reason"]) == (128, "StartError")
        assert not container.alive
    assert 5 < left < 29
    _, status = os.waitpid(container.pid, 0)
    container.exited(status)
    run_until(loop, lambda: not container.alive)
    assert container.state["exitCode"] == 3
    assert descriptors() == before


def test_a_start_without_a_process_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", no_process)
    container = new_container(Loop(), tmp_path / "one", tty=False, stdin=True)
    before = descriptors()
    with pytest.raises(StartError) as error:
        container.start()
    assert str(error.value) == "unable to start container process: resource temporarily unavailable"
    assert descriptors() == before
    assert container.state["reason"] == "StartError"


def test_a_look_at_a_port_that_lacks_a_descriptor_is_repeated() -> None:
    loop, ip, ready = Loop(), fresh_ip(), []
    with socket.create_server((ip, 0)) as server:
        wait = PortWait(loop, ip, [server.getsockname()[1]], lambda: ready.append(True))
        with descriptors_left(0):
            run_until(loop, lambda: wait._looks > 1)
        assert not ready
        run_until(loop, lambda: bool(ready))
