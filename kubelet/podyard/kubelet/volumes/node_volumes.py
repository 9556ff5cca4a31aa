"""The volumes of a node's pods, in ROOT/pods/UID."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.runtime import Mount
from podyard.kubelet.volumes import tmpfs
from podyard.kubelet.volumes.mounts import container_mounts
from podyard.kubelet.volumes.pod_volumes import PodVolumes, VolumeSources

Object = dict[str, Any]


class NodeVolumes:
    """Gives each pod its volumes and takes them away again.

    Only the kubelet's user gets into `ROOT/pods`, so that files which are open to all in a container are
    not so on the node. They lie on its disk, where Kubernetes has Secrets in memory: the cluster's
    database has them on the same disk anyway, and nothing stays mounted when a kubelet is killed.
    """

    def __init__(self, root: Path, sources: VolumeSources) -> None:
        self._pods = root / "pods"
        self._pods.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sources = sources
        self._open: dict[str, PodVolumes] = {}

    def of(self, pod: Object, events: PodEvents, changed: Callable[[], None]) -> PodVolumes:
        """The volumes of a pod, to be started. `changed` is called when all of them are there."""
        uid = pod["metadata"]["uid"]
        self._open[uid] = PodVolumes(self._sources, self._pods / uid, pod, events, changed)
        return self._open[uid]

    def mounts(self, pod: Object, container: Object, env: Mapping[str, str]) -> list[Mount]:
        """What a container of a pod mounts. `env` is its environment. Raises VolumeError."""
        return container_mounts(pod, container, self._pods / pod["metadata"]["uid"], env)

    async def tear_down(self, uid: str) -> None:
        """The pod has ended: unmount and remove its volumes. Raises OSError."""
        if (volumes := self._open.pop(uid, None)) is not None:
            volumes.close()
        self._sources.tokens.forget(uid)
        await _remove(self._pods / uid)

    async def clear_orphans(self, uids: Collection[str]) -> None:
        """Remove what is left of all pods but these. Raises OSError."""
        for directory in list(self._pods.iterdir()):
            if directory.name not in uids:
                await _remove(directory)


def unmount_all(root: Path) -> None:
    """Unmount every volume of a node, so that its state can be moved or deleted. Raises OSError."""
    tmpfs.unmount_below(root / "pods")


async def _remove(directory: Path) -> None:
    if directory.exists():
        tmpfs.unmount_below(directory)
        await asyncio.to_thread(_remove_tree, directory)


def _remove_tree(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except PermissionError:  # a program has closed a directory to us, who are not root
        for parent, names, _ in os.walk(directory):
            for path in (os.path.join(parent, name) for name in names):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(directory)
