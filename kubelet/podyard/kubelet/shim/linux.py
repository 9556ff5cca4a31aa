"""The system calls that Python has no name for (os.unshare and os.setns only from 3.12 on)."""

from __future__ import annotations

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_RELATIME = 0x200000

MOUNT_FLAGS = {
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "noatime": MS_NOATIME,
    "nodiratime": MS_NODIRATIME,
    "relatime": MS_RELATIME,
}
"""The names that a mount's own flags have in /proc/PID/mountinfo."""

_MNT_DETACH = 2
_ST_RELATIME = 0x1000  # in statvfs, where the other flags have mount's numbers
_SAME_IN_STATVFS = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def set_name(name: str) -> None:
    """What `ps -o comm` shows, at most 15 characters."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0)


def become_subreaper() -> None:
    """Orphaned descendants become this process' children instead of init's."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """The kernel kills the caller when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def prctl(option: int, *arguments: int) -> None:
    """prctl(2). Raises OSError."""
    numbers = [ctypes.c_ulong(n) for n in (*arguments, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *numbers), f"prctl {option}")


def capabilities(call: str, header: ctypes.Array[ctypes.c_char], data: ctypes.Array[ctypes.c_char]) -> None:
    """capget(2) or capset(2). Raises OSError."""
    _check(getattr(_libc, call)(header, data), call)


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def setns(path: str, kind: int) -> None:
    """Join the namespace of /proc/PID/ns/…. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        join(fd, kind)
    finally:
        os.close(fd)


def join(fd: int, kind: int) -> None:
    """Join the namespace that is open as `fd`. Raises OSError."""
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    names = [ctypes.c_char_p(os.fsencode(text)) for text in (source, target, kind)]
    result = _libc.mount(*names, ctypes.c_ulong(flags), ctypes.c_char_p(options.encode()))
    _check(result, f"mount {kind or source} at {target}")


def bind(source: str, target: str) -> None:
    """Show `source`, with all that is mounted below it, at `target`. Raises OSError."""
    mount(source, target, flags=MS_BIND | MS_REC)


def make_read_only(target: str) -> None:
    """Of a bind mount; its other flags stay, as a user namespace demands. Raises OSError."""
    has = os.statvfs(target).f_flag
    remount_read_only(target, has & _SAME_IN_STATVFS | (MS_RELATIME if has & _ST_RELATIME else 0))


def remount_read_only(target: str, flags: int) -> None:
    """As `make_read_only`, of a mount whose other flags are known. Raises OSError."""
    mount("", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | flags)


def unmount(target: str) -> None:
    """Detach what is mounted there. Raises OSError."""
    _check(_libc.umount2(ctypes.c_char_p(os.fsencode(target)), _MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root, and show the old one at `old`. Raises OSError."""
    names = [ctypes.c_char_p(os.fsencode(text)) for text in (new, old)]
    _check(_libc.pivot_root(*names), "pivot_root")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
