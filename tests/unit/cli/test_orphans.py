"""What a supervisor that was killed has left is waited for, and killed when it does not end."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podyard.cli.cluster.control import socket_path
from podyard.cli.cluster.orphans import wait_for_orphans


@contextmanager
def process(notify: Path, last: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """One that reports to a socket, and ends when its input does; `last` is what it does then."""
    command = [sys.executable, "-c", f"import sys; print(flush=True); sys.stdin.read(); {last}"]
    environment = {"NOTIFY_SOCKET": str(notify)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it has become what it is
        yield child
        child.kill()


async def test_one_that_ends_in_time(tmp_path: Path) -> None:
    with process(socket_path(tmp_path, "notify")) as child:
        waiting = asyncio.create_task(wait_for_orphans(tmp_path, 60))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        assert child.stdin is not None
        child.stdin.close()
        await waiting
        assert child.wait() == 0


async def test_one_that_does_not(tmp_path: Path) -> None:
    with process(socket_path(tmp_path, "notify")) as child:
        await wait_for_orphans(tmp_path, 0.1)
        assert child.wait() == -signal.SIGKILL


async def test_one_that_another_starts_before_it_ends(tmp_path: Path) -> None:
    last = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True)"
    with process(socket_path(tmp_path, "notify"), last) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.close()
        await wait_for_orphans(tmp_path, 1)
        pid = int(child.stdout.readline())
        assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("other", ["x", "notify/x"])
async def test_those_of_another_directory_are_let_be(tmp_path: Path, other: str) -> None:
    with process(socket_path(tmp_path / other, "notify")) as child:
        await wait_for_orphans(tmp_path, 0)
        assert child.poll() is None
