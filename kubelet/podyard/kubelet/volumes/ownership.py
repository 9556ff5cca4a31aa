"""The fsGroup of a pod's volumes (pkg/volume/volume_linux.go SetVolumeOwnership)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]

READ_WRITE, READ_ONLY = 0o660, 0o440
DIRECTORY = 0o110 | stat.S_ISGID


def fs_group(pod: Object) -> int | None:
    """The group that the pod's volumes are to belong to; only root can give a file away."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return None if group is None or os.geteuid() != 0 else int(group)


def give(directory: Path, group: int, *, read_only: bool) -> None:
    """Let the group use the directory and all in it; what is made there later is the group's too."""
    for path in _tree(directory):
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            continue
        mask = READ_ONLY if read_only else READ_WRITE
        if stat.S_ISDIR(info.st_mode):
            mask |= DIRECTORY
        os.chown(path, -1, group)
        os.chmod(path, stat.S_IMODE(info.st_mode) | mask)


def _tree(directory: Path) -> Iterator[str]:
    yield str(directory)
    for parent, directories, names in os.walk(directory):
        for name in (*directories, *names):
            yield os.path.join(parent, name)
