"""Fork a process into namespaces that may not be the shim's, as a child of the shim all the same."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

from podyard.kubelet.shim import linux


class StartError(Exception):
    """The program could not be started; the text says why, as runc words it."""


def reason(error: OSError) -> str:
    """The system's word for it, as runc writes it."""
    return (error.strerror or str(error)).lower()


class Door:
    """How a process gets to where it runs. This one leads nowhere: it stays where the shim is."""

    has_pids = False
    """Whether `pids` is to be called. It has an effect on children only, hence a second fork."""

    def pids(self) -> None:
        """Be ready to have children in the right PID namespace. Raises OSError."""

    def files(self) -> None:
        """See the right files. Raises OSError, StartError."""


def fork(door: Door, work: Callable[[], None], prepare: Callable[[], None] = lambda: None) -> int:
    """Do `prepare` and `work` in a new process behind `door`, and return its pid once it has exec'd.

    The process is killed when the caller ends. `prepare` may change its user. Raises StartError with the
    text of a StartError that one of them or `door` raises, or of an OSError, be it there or here.
    """
    try:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                pid = os.fork()
                if pid == 0:
                    ours.close()
                    _child(door, prepare, work, theirs.fileno())
            return _follow(door, pid, ours)
    except OSError as error:
        raise StartError(reason(error)) from None


def _follow(door: Door, pid: int, control: socket.socket) -> int:
    """Lead the forked process to its exec; its pid, or that of its child."""
    if door.has_pids:
        os.waitpid(pid, 0)  # the first child; the other is ours now, for we are a subreaper
        told = control.recv(4096).decode()
        if not told.isdigit():
            raise StartError(told or "its first process was killed")
        pid = int(told)
    control.send(b"g")
    failure = b""
    while data := control.recv(4096):
        failure += data
    if failure:
        os.waitpid(pid, 0)
        raise StartError(failure.decode())
    return pid


def _child(door: Door, prepare: Callable[[], None], work: Callable[[], None], control: int) -> None:
    """Never returns."""
    try:
        if door.has_pids:
            door.pids()
            child = os.fork()
            if child:
                os.write(control, str(child).encode())
                os._exit(0)
        # Only now is the shim the parent, and its end what is to be heard of. Whether it has ended
        # already cannot be asked by getppid, which knows no parents outside of a PID namespace.
        if not os.read(control, 1):
            os._exit(137)
        _die_with_parent(control)
        door.files()
        prepare()
        _die_with_parent(control)  # the kernel forgets it when the user changes
        work()
    except OSError as error:
        what = f"{error.filename}: " if isinstance(error.filename, str) else ""
        os.write(control, f"{what}{reason(error)}".encode())
    except BaseException as error:
        os.write(control, (str(error) or type(error).__name__).encode())
    finally:
        os._exit(127)


def _die_with_parent(control: int) -> None:
    linux.die_with_parent()
    poll = select.poll()
    poll.register(control, 0)
    if poll.poll(0):
        os._exit(137)
