"""The volumes of one pod: made before it starts, kept up to date while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podyard.api.resources import CONFIGMAPS, SECRETS
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.volumes import (
    ContentError,
    Inputs,
    Needs,
    VolumeError,
    atomic_writer,
    empty_dir,
    host_path,
    ownership,
)
from podyard.kubelet.volumes.kinds import CONTENT, kind_of, used_volumes, volume_path
from podyard.kubelet.volumes.object_cache import ObjectCache, Reference
from podyard.kubelet.volumes.tokens import Tokens
from podyard.process.clock import Clock, TimerHandle

Object = dict[str, Any]

MAX_RETRY_SECONDS = 10.0
"""The longest wait before a volume that could not be made is tried again; the first is 1 s."""

logger = logging.getLogger("kubelet")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSources:
    """Where the content of volumes comes from; the pods of a node share it."""

    objects: ObjectCache
    tokens: Tokens
    allocatable: dict[str, str]
    clock: Clock


class PodVolumes:
    """Makes the volumes that the pod's containers mount, and looks at them again whenever it must.

    That is when a Secret or ConfigMap has changed, the pod's metadata has, or a token is to be
    renewed; a volume that cannot be made for another reason is tried again after 1 s, 2 s, … 10 s.
    `changed` is called when all volumes are there. Nothing is done before `start`.
    """

    def __init__(
        self,
        sources: VolumeSources,
        directory: Path,
        pod: Object,
        events: PodEvents,
        changed: Callable[[], None],
    ) -> None:
        self._sources = sources
        self._directory = directory
        self._pod = pod
        self._events = events
        self._changed = changed
        self._volumes = used_volumes(pod)
        self._made: set[str] = set()
        self._told: dict[str, str] = {}  # volume → the problem that was last reported
        self._failures = 0
        self._secrets: dict[str, Reference] = {}
        self._config_maps: dict[str, Reference] = {}
        self._look = asyncio.Event()
        self._timer: TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether every volume that a container mounts is there."""
        return len(self._made) == len(self._volumes)

    def start(self) -> None:
        """Begin, unless that is done or there is nothing to do."""
        if self._task is None and self._volumes:
            self._look.set()
            self._task = asyncio.create_task(self._run(), name=f"volumes of {self._pod['metadata']['uid']}")

    def update(self, pod: Object) -> None:
        """The pod's object has changed."""
        old, self._pod = self._pod["metadata"], pod
        if any(old.get(field) != pod["metadata"].get(field) for field in ("labels", "annotations")):
            self._look.set()

    def close(self) -> None:
        """Watch nothing any more. The volumes stay."""
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for reference in (*self._secrets.values(), *self._config_maps.values()):
            reference.release()
        self._secrets, self._config_maps = {}, {}

    async def _run(self) -> None:
        self._refer()
        while True:
            await self._look.wait()
            self._look.clear()
            was_ready = self.ready
            try:
                seconds = await self._make_all()
            except Exception:
                logger.exception("volumes of pod %s", self._pod["metadata"]["name"])
                seconds = MAX_RETRY_SECONDS
            if seconds is not None:
                self._look_after(seconds)
            if self.ready and not was_ready:
                self._changed()

    def _refer(self) -> None:
        objects, namespace = self._sources.objects, self._pod["metadata"]["namespace"]
        for volume in self._volumes:
            needs = _needs(volume)
            for references, resource, names in (
                (self._secrets, SECRETS, needs.secrets),
                (self._config_maps, CONFIGMAPS, needs.config_maps),
            ):
                for name in names - references.keys():
                    references[name] = objects.acquire(resource, namespace, name, self._look.set)

    async def _make_all(self) -> float | None:
        """Make every volume or bring it up to date; gives the seconds until the next look, if any."""
        looks: list[float] = []
        failed = False
        for volume in self._volumes:
            name = volume["name"]
            try:
                if (look := await self._make(volume)) is not None:
                    looks.append(look)
            except ContentError as error:  # heals when an object changes, of which we shall hear
                self._tell(name, str(error))
            except (VolumeError, OSError) as error:
                self._tell(name, _text(error))
                failed = True
            else:
                if name in self._made:
                    self._told.pop(name, None)
        self._failures = self._failures + 1 if failed else 0
        if failed:
            looks.append(min(2.0 ** (self._failures - 1), MAX_RETRY_SECONDS))
        return min(looks, default=None)

    async def _make(self, volume: Object) -> float | None:
        """One volume; gives the seconds until it must be looked at again, if that is known."""
        kind, name = kind_of(volume), volume["name"]
        path = volume_path(self._directory, volume)
        if kind in CONTENT:
            return await self._write(volume, path)
        if name not in self._made:
            if kind == "hostPath":
                host_path.prepare(volume["hostPath"])
            elif empty_dir.prepare(volume["emptyDir"], path):
                self._give(path, read_only=False)
            self._made.add(name)
        return None

    async def _write(self, volume: Object, path: Path) -> float | None:
        kind, name = kind_of(volume), volume["name"]
        needs = _needs(volume)
        secrets = [self._secrets[key] for key in needs.secrets]
        config_maps = [self._config_maps[key] for key in needs.config_maps]
        if not all(reference.known for reference in (*secrets, *config_maps)):
            return None
        tokens = {spec: await self._sources.tokens.get(self._pod, spec) for spec in needs.tokens}
        inputs = Inputs(
            pod=self._pod,
            secrets=_known(self._secrets),
            config_maps=_known(self._config_maps),
            tokens={spec: token.text for spec, token in tokens.items()},
            allocatable=self._sources.allocatable,
        )
        files = CONTENT[kind].files(volume[kind], inputs)
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(empty_dir.MODE)
        atomic_writer.write(path, files, lambda fresh: self._give(fresh, read_only=True))
        self._made.add(name)
        now = self._sources.clock.now()
        return min((max(token.renew_at - now, 0.0) for token in tokens.values()), default=None)

    def _give(self, path: Path, *, read_only: bool) -> None:
        group = ownership.fs_group(self._pod)
        if group is None:
            return
        try:
            ownership.give(path, group, read_only=read_only)
        except OSError as error:  # root of a user namespace that has no such group: all are one user there
            name = self._pod["metadata"]["name"]
            logger.warning("fsGroup %d of pod %s does not hold here: %s", group, name, error.strerror)

    def _tell(self, volume: str, problem: str) -> None:
        if self._told.get(volume) != problem:
            self._told[volume] = problem
            text = f'MountVolume.SetUp failed for volume "{volume}" : {problem}'
            self._events.warning("FailedMount", text)

    def _look_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._sources.clock.call_later(seconds, self._look.set)


def _needs(volume: Object) -> Needs:
    kind = kind_of(volume)
    return CONTENT[kind].needs(volume[kind]) if kind in CONTENT else Needs()


def _known(references: dict[str, Reference]) -> dict[str, Object]:
    return {name: reference.object for name, reference in references.items() if reference.object is not None}


def _text(error: Exception) -> str:
    """An error in one line; of the system's errors the path and the reason, in Go's order."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or '').lower()}"
    return str(error)
