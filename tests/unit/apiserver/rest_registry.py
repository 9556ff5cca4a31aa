"""A registry in memory, for what the tests of the REST adapter must see and steer.

It stores, lists and tells watchers, and keeps the options it was called with. It neither
validates nor defaults: that is the real registry's work and tested there.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from podyard.api.errors import StatusError, already_exists, not_found
from podyard.api.resources import Resource
from podyard.api.selectors import parse_field_selector, parse_label_selector
from podyard.apiserver.registry import Event, Listed, Object, Stored, WriteOptions

Key = tuple[str, str, str, str]


class MemoryWatch:
    """Gives the events in `queue`; None ends it, an error is raised."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | StatusError | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    def __aiter__(self) -> MemoryWatch:
        return self

    async def __anext__(self) -> Event:
        item = await self.queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, StatusError):
            raise item
        return item

    async def aclose(self) -> None:
        self.closed.set()


class MemoryRegistry:
    """Implements `podyard.apiserver.registry.Registry`."""

    def __init__(self) -> None:
        self.objects: dict[Key, Stored] = {}
        self.version = 1
        self.options: WriteOptions | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.watches: list[MemoryWatch] = []
        self.refuse: Exception | None = None
        self.warn = ""
        self.entered = asyncio.Event()
        self.gate: asyncio.Event | None = None

    def put(self, resource: Resource, obj: Object) -> Stored:
        """Store an object as it is, with the next version."""
        self.version += 1
        metadata = obj.setdefault("metadata", {})
        metadata["resourceVersion"] = str(self.version)
        obj = {"apiVersion": resource.group_version, "kind": resource.kind, **obj}
        namespace = metadata.get("namespace", "")
        stored = Stored(namespace, metadata["name"], self.version, orjson.dumps(obj))
        self.objects[(resource.group, resource.plural, namespace, stored.name)] = stored
        return stored

    async def _called(self, verb: str, **arguments: Any) -> None:
        self.calls.append((verb, arguments))
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        options = arguments.get("options")
        if options is not None:
            self.options = options
            if self.warn:
                options.warnings.append(self.warn)
        if self.refuse is not None:
            raise self.refuse

    def _find(self, resource: Resource, namespace: str, name: str) -> Stored:
        try:
            return self.objects[(resource.group, resource.plural, namespace, name)]
        except KeyError:
            raise not_found(resource, name) from None

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Stored:
        await self._called("get", subresource=subresource)
        return self._find(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str, **arguments: Any) -> Listed:
        await self._called("list", namespace=namespace, **arguments)
        labels = parse_label_selector(arguments.get("label_selector", ""))
        parse_field_selector(arguments.get("field_selector", ""))
        found = [
            stored
            for key, stored in sorted(self.objects.items())
            if key[:2] == (resource.group, resource.plural)
            and (not namespace or key[2] == namespace)
            and labels.matches(stored.decode()["metadata"].get("labels") or {})
        ]
        limit = arguments.get("limit", 0)
        if limit and len(found) > limit:
            return Listed(found[:limit], self.version, "more", len(found) - limit)
        return Listed(found, self.version)

    def watch(self, resource: Resource, namespace: str, **arguments: Any) -> MemoryWatch:
        self.calls.append(("watch", {"namespace": namespace, **arguments}))
        if self.refuse is not None:
            raise self.refuse
        watch = MemoryWatch()
        self.watches.append(watch)
        self.entered.set()
        return watch

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Object,
        options: WriteOptions,
        *,
        name: str = "",
        subresource: str = "",
    ) -> Stored:
        await self._called("create", options=options, name=name, subresource=subresource)
        if resource.namespaced:
            obj.setdefault("metadata", {})["namespace"] = namespace
        own = obj["metadata"].get("name") or name
        if (resource.group, resource.plural, namespace, own) in self.objects and not subresource:
            raise already_exists(resource, own)
        return self.put(resource, obj)

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        obj: Object,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[Stored, bool]:
        await self._called("update", options=options, subresource=subresource)
        created = (resource.group, resource.plural, namespace, name) not in self.objects
        return self.put(resource, obj), created

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        content_type: str,
        patch: bytes,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> Stored:
        await self._called(
            "patch", options=options, content_type=content_type, patch=patch, subresource=subresource
        )
        return self._find(resource, namespace, name)

    async def delete(
        self, resource: Resource, namespace: str, name: str, delete_options: Object, options: WriteOptions
    ) -> Stored | Object:
        await self._called("delete", options=options, delete_options=delete_options)
        self._find(resource, namespace, name)
        del self.objects[(resource.group, resource.plural, namespace, name)]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        delete_options: Object,
        options: WriteOptions,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Listed:
        await self._called(
            "delete_collection",
            options=options,
            delete_options=delete_options,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        return Listed([], self.version)
