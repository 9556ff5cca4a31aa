"""What of a container's files its user gets to, and what stays writable with readOnlyRootFilesystem."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Any

from podyard.kubelet.shim import linux


def closed_on_the_way(path: str, security: dict[str, Any]) -> str:
    """The outermost directory above `path` that its user may not go through; empty when there is none."""
    user, groups = security["user"], {security["group"], *(security["groups"] or ())}
    parents = path.split("/")[1:-1]
    for depth in range(1, len(parents) + 1):
        folder = "/" + "/".join(parents[:depth])
        try:
            info = os.stat(folder)
        except OSError:
            return ""
        shift = 6 if info.st_uid == user else 3 if info.st_gid in groups else 0
        if not info.st_mode >> shift & 1:
            return folder
    return ""


def seal(kept: Sequence[str]) -> None:
    """Make all read-only but what is at or below the `kept` paths, /dev and /proc. Raises OSError."""
    for point, flags in _mounts():
        if any(point == path or point.startswith(f"{path}/") for path in (*kept, "/dev", "/proc")):
            continue
        try:
            linux.remount_read_only(point, flags)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.EACCES):
                raise  # those: another mount hides it, or the way is closed to us and so to the container


def _mounts() -> list[tuple[str, int]]:
    """What is mounted here, and with which of mount's flags (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        fields = [line.split() for line in table]
    return [
        (_unescaped(f[4]), sum(linux.MOUNT_FLAGS.get(option, 0) for option in f[5].split(",")))
        for f in fields
    ]


def _unescaped(path: str) -> str:
    """A path of a table of mounts, in which blanks and backslashes are in octal."""
    for code in ("040", "011", "012", "134"):
        path = path.replace(f"\\{code}", chr(int(code, 8)))
    return path
