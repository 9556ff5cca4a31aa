"""Directories and files of the node itself (pkg/volume/hostpath)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from podyard.kubelet.volumes import VolumeError

Object = dict[str, Any]

_TYPES: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (lambda mode: not stat.S_ISDIR(mode), "a file"),
    "FileOrCreate": (lambda mode: not stat.S_ISDIR(mode), "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def prepare(source: Object) -> None:
    """Make sure that the path is what its type asks for. Raises VolumeError, OSError.

    Without a type nothing is checked, and a directory is made where nothing is, as container
    runtimes do.
    """
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind and kind not in _TYPES:
        raise VolumeError(f"{kind} is an invalid volume type")
    if not os.path.exists(path):
        if kind in ("", "DirectoryOrCreate"):
            path.mkdir(parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    if kind:
        fits, name = _TYPES[kind]
        if not os.path.exists(path) or not fits(path.stat().st_mode):
            raise VolumeError(f"hostPath type check failed: {path} is not {name}")
