"""What a container mounts where (kubelet_pods.go makeMounts, pkg/volume/util/subpath)."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podyard.kubelet.env import expand
from podyard.kubelet.runtime import Mount
from podyard.kubelet.volumes import VolumeError
from podyard.kubelet.volumes.kinds import CONTENT, kind_of, volume_path

Object = dict[str, Any]


def container_mounts(
    pod: Object, container: Object, pod_directory: Path, env: Mapping[str, str]
) -> list[Mount]:
    """The mounts of a container, outer ones first. `env` is what subPathExpr may refer to.

    Directories that a subPath names are made when they are missing. Raises VolumeError.
    """
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    mounts = []
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"])
        if volume is None:
            name, user = mount["name"], container["name"]
            raise VolumeError(f'cannot find volume "{name}" to mount into container "{user}"')
        path = volume_path(pod_directory, volume)
        if part := sub_path(mount, env):
            path = _below(path, part, mount["name"], container["name"])
        # What podyard computes is not for the container to change, whatever the mount says.
        read_only = bool(mount.get("readOnly")) or kind_of(volume) in CONTENT
        target = os.path.normpath(os.path.join("/", mount["mountPath"]))
        mounts.append(Mount(host_path=str(path), container_path=target, read_only=read_only))
    return sorted(mounts, key=lambda mount: mount.container_path.count("/"))


def sub_path(mount: Object, env: Mapping[str, str]) -> str:
    """The part of the volume that is mounted; empty for all of it. Raises VolumeError. Pure."""
    path = str(mount.get("subPath") or "")
    if expression := mount.get("subPathExpr"):
        missing: set[str] = set()

        def lookup(name: str) -> str:
            if not env.get(name):
                missing.add(name)
            return env.get(name, "")

        path = expand(expression, lookup)
        if missing:
            raise VolumeError(f"missing value for {', '.join(sorted(missing))}")
    if path.startswith("/"):
        raise VolumeError(f'error SubPath "{path}" must not be an absolute path')
    if ".." in path.split("/"):
        raise VolumeError(f"unable to provision SubPath \"{path}\": must not contain '..'")
    return path


def _below(volume: Path, part: str, mount: str, container: str) -> Path:
    """The real path of a part of a volume, which is made if it is missing.

    A file of a Secret or ConfigMap is the file of this moment: later versions do not appear in it.
    """
    where = f'for volumeMount "{mount}" of container "{container}"'
    root = os.path.realpath(volume)
    real = os.path.realpath(os.path.join(root, part))
    if os.path.commonpath((root, real)) != root:
        raise VolumeError(f"failed to prepare subPath {where}")
    try:
        if not os.path.exists(real):
            _make(root, real)
    except OSError:
        raise VolumeError(f"failed to create subPath directory {where}") from None
    return Path(real)


def _make(root: str, path: str) -> None:
    """Make directories below `root` that are open to the same users as `root` itself."""
    mode = stat.S_IMODE(os.stat(root).st_mode)
    current = root
    for part in os.path.relpath(path, root).split("/"):
        current = os.path.join(current, part)
        if not os.path.isdir(current):
            os.mkdir(current)
            os.chmod(current, mode)
