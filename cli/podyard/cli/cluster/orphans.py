"""What an `up` that was killed has left of its processes: they end by themselves, in their own time.

The kernel has told each that its supervisor is gone (`podyard.process.main.end_with_supervisor`); until
they have ended they hold ports and the store, and start pods.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from podyard.cli.cluster import control

STOP_SECONDS = 8.0
"""How long a process of a cluster may take to end after SIGTERM, whoever sends it."""


async def wait_for_orphans(data_dir: Path, limit: float = STOP_SECONDS) -> None:
    """Return when every process of a data directory has ended; kill what has not after `limit` seconds.

    Only for who holds the directory's lock, or when nobody does.
    """
    give_up = asyncio.get_running_loop().time() + limit
    while found := _marked(_mark(data_dir)):  # again, for those that one of them has started meanwhile
        try:
            async with asyncio.timeout_at(give_up):
                await asyncio.gather(*map(ended, found))
        except TimeoutError:
            for descriptor in found:
                _kill(descriptor)
            await asyncio.gather(*map(ended, found))
        finally:
            for descriptor in found:
                os.close(descriptor)


async def ended(descriptor: int) -> None:
    """Return when the process of a pidfd has ended: it becomes readable then."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)


def _mark(data_dir: Path) -> bytes:
    """What the environment of each of its processes has, and that of no other."""
    return b"NOTIFY_SOCKET=" + os.fsencode(control.notify_path(data_dir))


def _marked(mark: bytes) -> list[int]:
    """Pidfds of the processes that have the mark."""
    pids = map(int, filter(str.isdigit, os.listdir("/proc")))
    return [descriptor for pid in pids if (descriptor := _open_marked(pid, mark)) is not None]


def _open_marked(pid: int, mark: bytes) -> int | None:
    """A pidfd of the process if it has the mark."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return descriptor
    except OSError:  # it has ended, or is another user's
        pass
    os.close(descriptor)
    return None


def _kill(descriptor: int) -> None:
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        pass
