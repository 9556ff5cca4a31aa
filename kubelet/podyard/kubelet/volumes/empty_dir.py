"""Directories that begin empty and end with the pod (pkg/volume/emptydir)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from podyard.api.quantities import parse_quantity
from podyard.kubelet.volumes import VolumeError, tmpfs

Object = dict[str, Any]

MODE = 0o777

logger = logging.getLogger("kubelet")


def prepare(source: Object, directory: Path) -> bool:
    """Make the directory, in memory if it is to be there; False when it was there already.

    Where the kernel lets us mount no tmpfs, medium Memory is a directory like any other. A
    sizeLimit holds for a tmpfs only. Raises VolumeError, OSError.
    """
    medium = source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise VolumeError(f'this node has no storage of the medium "{medium}" for an emptyDir')
    made = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if medium == "Memory" and not directory.is_mount() and not any(directory.iterdir()):
        limit = parse_quantity(source.get("sizeLimit") or "0")
        try:
            tmpfs.mount(directory, int(limit))
            return True
        except OSError as error:
            logger.info("%s is an ordinary directory: no tmpfs: %s", directory, error.strerror)
    if made:
        directory.chmod(MODE)
    return made
