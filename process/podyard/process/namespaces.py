"""Linux namespaces, for what Python 3.11 has no names: unshare(2), setns(2), mount(2)."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own. Raises OSError when the kernel refuses."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace that an open /proc/PID/ns file stands for. Raises OSError."""
    _check(_libc.setns(descriptor, kind), "setns")


def in_network(namespace: int | str, work: Callable[[], T]) -> T:
    """What `work` gives in a thread of its own that has entered a network namespace first.

    `namespace` is an open /proc/PID/ns/net, or its path. A socket that is made there stays there,
    whoever uses it. Raises OSError, and whatever `work` raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            descriptor = os.open(namespace, os.O_RDONLY) if isinstance(namespace, str) else namespace
            try:
                setns(descriptor, CLONE_NEWNET)
            finally:
                if descriptor != namespace:
                    os.close(descriptor)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def new_network() -> int:
    """A new network namespace: a descriptor that holds it, and is all that does. Raises OSError."""

    def make() -> int:
        unshare(CLONE_NEWNET)
        return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return in_network("/proc/self/ns/net", make)


def mount(source: str, target: str, flags: int) -> None:
    """Bind `source` to `target`, or change how a mount is shared. Raises OSError."""
    _check(_libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None), target)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
