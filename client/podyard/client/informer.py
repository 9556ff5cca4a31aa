"""A local copy of a resource that follows the apiserver (k8s.io/client-go/tools/cache)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.resources import Resource
from podyard.client.client import Client, Object, ObjectList
from podyard.process.clock import Clock, RealClock

Handler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): old is None for a new object, new is None for one that is gone."""

Key = tuple[str, str]
"""(namespace, name)"""

Objects = list[Object]

logger = logging.getLogger("informer")


def key_of(obj: Object) -> Key:
    """An object's (namespace, name); the namespace of a cluster-scoped one is ""."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer:
    """Lists, then watches, for ever; keeps the objects and tells the handlers what changed.

    Objects are shared: nobody may change one. When the apiserver is away the copy stays as it
    was, and catches up afterwards.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._where: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._namespace = namespace
        self._clock = clock or RealClock()
        self._objects: dict[Key, Object] = {}
        self._handlers: list[Handler] = []
        self._indexers: dict[str, Callable[[Object], Iterable[str]]] = {}
        self._indices: dict[str, dict[str, dict[Key, Object]]] = {}
        self._synced = asyncio.Event()

    def add_handler(self, handler: Handler) -> None:
        """Call `handler(old, new)` at every change, after the copy has it. Must come before `run`."""
        self._handlers.append(handler)

    def add_index(self, name: str, keys: Callable[[Object], Iterable[str]]) -> None:
        """Keep an index: `keys(obj)` gives the values under which `by_index` finds it. Before `run`."""
        self._indexers[name] = keys
        self._indices[name] = {}

    def get(self, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._objects.get((namespace, name))

    def list(self, namespace: str | None = None) -> Objects:
        """All objects, or those of one namespace."""
        if namespace is None:
            return list(self._objects.values())
        return [obj for (where, _), obj in self._objects.items() if where == namespace]

    def by_index(self, index: str, value: str) -> Objects:
        """The objects whose index `index` holds `value`."""
        return list(self._indices[index].get(value, {}).values())

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    async def run(self) -> None:
        """Follow the apiserver until cancelled."""
        delay = 0.05
        while True:
            try:
                version = self._replace(
                    await self._client.list(self.resource, self._namespace, **self._where)
                )
                delay = 0.05
                while True:
                    version = await self._follow(version)
            except StatusError as error:
                if error.code == 410:
                    continue
                logger.debug("%s: %s", self.resource.group_resource, error)
                await self._clock.sleep(delay)
                delay = min(delay * 2, 1.0)

    async def _follow(self, version: str) -> str:
        events = self._client.watch(self.resource, self._namespace, resource_version=version, **self._where)
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "BOOKMARK":
                    continue
                self._change(key_of(event.object), None if event.type == "DELETED" else event.object)
        return version

    def _replace(self, listed: ObjectList) -> str:
        fresh = {key_of(obj): obj for obj in listed.items}
        for key in [key for key in self._objects if key not in fresh]:
            self._change(key, None)
        for key, obj in fresh.items():
            old = self._objects.get(key)
            if old is None or old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._change(key, obj)
        self._synced.set()
        return listed.resource_version

    def _change(self, key: Key, new: Object | None) -> None:
        old = self._objects.pop(key, None)
        if old is None and new is None:
            return
        if new is not None:
            self._objects[key] = new
        for name, keys in self._indexers.items():
            index = self._indices[name]
            for value in keys(old) if old else ():
                index.get(value, {}).pop(key, None)
                if not index.get(value):
                    index.pop(value, None)
            for value in keys(new) if new else ():
                index.setdefault(value, {})[key] = new  # type: ignore[assignment]
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                logger.exception("a handler of %s failed on %s", self.resource.group_resource, key)


async def run_informers(*informers: Informer) -> None:
    """Run several for ever."""
    async with asyncio.TaskGroup() as group:
        for informer in informers:
            group.create_task(informer.run())


async def all_synced(*informers: Informer) -> None:
    """Wait until each has its first list."""
    for informer in informers:
        await informer.synced()
