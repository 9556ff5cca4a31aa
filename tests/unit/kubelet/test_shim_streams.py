"""A container's streams by themselves, on the shim's own loop."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from podyard.kubelet.shim.log import LogFile
from podyard.kubelet.shim.loop import Loop
from podyard.kubelet.shim.streams import ContainerStreams

LINE = b"x" * 100 + b"\n"


def fill(fd: int) -> int:
    """Write lines until the reader is behind; gives how many `x` went."""
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += LINE[: os.write(fd, LINE)].count(b"x")
    return written


@pytest.mark.parametrize("tty", [True, False])
def test_what_a_container_wrote_last_waits_for_no_client(tmp_path: Path, tty: bool) -> None:
    """Its process has ended, and a client that does not read is behind."""
    loop = Loop()
    path = tmp_path / "0.log"
    streams = ContainerStreams(
        loop, LogFile(str(path)), tty=tty, stdin=False, stdin_once=False, ended=loop.stop
    )
    program = os.dup(streams.stdio[1])
    os.set_blocking(program, False)
    streams.started()
    client, stdout = os.pipe()
    stderr = os.open("/dev/null", os.O_WRONLY)
    streams.attach(-1, stdout, stderr)
    written = 0

    def write() -> None:
        nonlocal written
        written += fill(program)
        if streams._waits:
            written += fill(program)
            os.close(program)
            streams.read_on()
        else:
            loop.call_later(0.001, write)

    write()
    loop.run()
    streams.close()
    assert path.read_bytes().count(b"x") == written
    os.close(client)
