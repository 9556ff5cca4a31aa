"""Fork a process into namespaces that may not be the shim's, as a child of the shim all the same."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from podyard.kubelet.shim import linux


class StartError(Exception):
    """The program could not be started; the text says why, as runc words it."""


class Door:
    """How a process gets to where it runs. This one leads nowhere: it stays where the shim is."""

    has_pids = False
    """Whether `pids` is to be called. It has an effect on children only, hence a second fork."""

    def pids(self) -> None:
        """Be ready to have children in the right PID namespace. Raises OSError."""

    def files(self) -> None:
        """See the right files. Raises OSError, StartError."""


def fork(door: Door, work: Callable[[], None]) -> int:
    """Do `work` in a new process behind `door`, and return its pid once it has exec'd.

    The process is killed when the caller ends. Raises StartError with the text of a StartError that
    `work` or `door` raises, or of an OSError.
    """
    report, status = os.pipe2(os.O_CLOEXEC)
    gate, go = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(report)
        os.close(go)
        _child(door, work, status, gate)
    os.close(status)
    os.close(gate)
    try:
        if door.has_pids:
            os.waitpid(pid, 0)  # the first child; the other is ours now, for we are a subreaper
            told = os.read(report, 4096).decode()
            if not told.isdigit():
                raise StartError(told or "its first process was killed")
            pid = int(told)
        os.write(go, b"g")
        failure = b""
        while data := os.read(report, 4096):
            failure += data
    finally:
        os.close(report)
        os.close(go)
    if failure:
        os.waitpid(pid, 0)
        raise StartError(failure.decode())
    return pid


def _child(door: Door, work: Callable[[], None], status: int, gate: int) -> None:
    """Never returns."""
    try:
        if door.has_pids:
            door.pids()
            child = os.fork()
            if child:
                os.write(status, str(child).encode())
                os._exit(0)
        # Only now is the shim the parent, and its end what is to be heard of. Whether it has ended
        # already cannot be asked by getppid, which knows no parents outside of a PID namespace.
        if not os.read(gate, 1):
            os._exit(137)
        linux.die_with_parent()
        poll = select.poll()
        poll.register(gate, 0)
        if poll.poll(0):
            os._exit(137)
        door.files()
        work()
    except OSError as error:
        what = f"{error.filename}: " if isinstance(error.filename, str) else ""
        os.write(status, f"{what}{(error.strerror or '').lower()}".encode())
    except BaseException as error:
        os.write(status, (str(error) or type(error).__name__).encode())
    finally:
        os._exit(127)
