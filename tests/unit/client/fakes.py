"""An apiserver of one resource in memory, for the informer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from podyard.api.errors import expired, service_unavailable
from podyard.client.client import Object, ObjectList, WatchEvent


class FakeClient:
    """Answers list and watch as `podyard.client.client.Client` does."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 10
        self.away = False
        self.lists = 0
        self._log: list[tuple[int, WatchEvent]] = []
        self._compacted = 0
        self._changed = asyncio.Event()
        self._cut = asyncio.Event()

    def put(self, name: str, **fields: Any) -> Object:
        """Create or change an object."""
        self.version += 1
        old = self.objects.get(name)
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", **fields.pop("metadata", {})}
        metadata["resourceVersion"] = str(self.version)
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **fields}
        self.objects[name] = obj
        self._tell("MODIFIED" if old else "ADDED", obj)
        return obj

    def remove(self, name: str) -> None:
        """Delete an object."""
        self.version += 1
        obj = self.objects.pop(name)
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        self._tell("DELETED", {**obj, "metadata": metadata})

    def bookmark(self) -> None:
        """Tell watchers the version."""
        self._tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def go_away(self) -> None:
        """Break every watch and refuse every call until `come_back`."""
        self.away = True
        self._cut.set()
        self._changed.set()

    def come_back(self) -> None:
        """Be there again; older versions are forgotten."""
        self.away = False
        self._cut = asyncio.Event()
        self._log.clear()
        self._compacted = self.version

    def _tell(self, type_: str, obj: Object) -> None:
        self._log.append((self.version, WatchEvent(type_, obj)))
        self._changed.set()

    async def list(
        self,
        resource: object,
        namespace: str = "",
        *,
        transform: Callable[[Object], Object] | None = None,
        **where: str,
    ) -> ObjectList:
        """All objects."""
        self.lists += 1
        await asyncio.sleep(0)
        if self.away:
            raise service_unavailable("away")
        items = list(map(transform, self.objects.values()) if transform else self.objects.values())
        return ObjectList(items, str(self.version))

    async def watch(
        self, resource: object, namespace: str = "", *, resource_version: str, **where: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a version."""
        seen, cut = int(resource_version), self._cut
        if seen < self._compacted:
            raise expired("too old")
        sent = 0
        while True:
            for version, event in list(self._log)[sent:]:
                sent += 1
                if version > seen or event.type == "BOOKMARK":
                    yield event
            if cut.is_set():
                raise service_unavailable("away")
            self._changed.clear()
            await self._changed.wait()
