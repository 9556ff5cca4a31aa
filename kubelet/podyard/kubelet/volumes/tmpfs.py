"""Mounting and unmounting, by mount(2) and umount2(2)."""

from __future__ import annotations

import os
import re
from pathlib import Path

MS_NOSUID, MS_NODEV = 2, 4
MNT_DETACH = 2


def mount(directory: Path, size: int = 0) -> None:
    """Mount a tmpfs of at most `size` bytes (0: half of the memory). Raises OSError."""
    options = f"mode=1777,size={size}" if size else "mode=1777"
    arguments = (b"tmpfs", os.fsencode(directory), b"tmpfs", MS_NOSUID | MS_NODEV, options.encode())
    _call("mount", directory, *arguments)


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted at `directory` or below it; what is in use goes when it no longer is."""
    for point in reversed(_mount_points()):
        if point == directory or directory in point.parents:
            _call("umount2", point, os.fsencode(point), MNT_DETACH)


def _mount_points() -> list[Path]:
    """In the order they were mounted; /proc/self/mountinfo escapes blanks as \\040."""
    with open("/proc/self/mountinfo", "rb") as table:
        fields = [line.split(b" ")[4] for line in table]
    return [
        Path(os.fsdecode(re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1], 8)]), field)))
        for field in fields
    ]


def _call(name: str, path: Path, *arguments: bytes | int) -> None:
    import ctypes  # late: most nodes never mount anything

    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
