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

FIRST_DELAY_SECONDS = 0.05
MAX_DELAY_SECONDS = 0.4

logger = logging.getLogger("informer")


def key_of(obj: Object) -> Key:
    """An object's (namespace, name); the namespace of a cluster-scoped one is ""."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer:
    """Lists, then watches, for ever; keeps the objects and tells the handlers what changed.

    Objects are shared: nobody may change one. When the apiserver is away the copy stays as it
    was, and catches up afterwards. `transform` may drop what nobody here reads.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[Object], Object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._where: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._namespace = namespace
        self._transform = transform
        self._clock = clock or RealClock()
        self._objects: dict[str, dict[str, Object]] = {}
        self._handlers: list[Handler] = []
        self._indexers: dict[str, Callable[[Object], Iterable[str]]] = {}
        self._indices: dict[str, dict[str, dict[Key, Object]]] = {}
        self._synced = asyncio.Event()
        self._version = 0
        self._lists_begun = 0
        self._list_done = 0  # the number of the latest list that has come in
        self._waiters: list[asyncio.Future[None]] = []

    def add_handler(self, handler: Handler) -> None:
        """Call `handler(old, new)` at every change, after the copy has it.

        What is in the copy already is given to it at once, as new.
        """
        self._handlers.append(handler)
        for obj in self.list():
            self._call(handler, None, obj)

    def add_index(self, name: str, keys: Callable[[Object], Iterable[str]]) -> None:
        """Keep an index: `keys(obj)` gives the values under which `by_index` finds it.

        Whoever adds an index of the same name gives the same function: the first one stays.
        """
        if name in self._indexers:
            return
        self._indexers[name] = keys
        self._indices[name] = {}
        for obj in self.list():
            self._index(name, key_of(obj), None, obj)

    def get(self, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._objects.get(namespace, {}).get(name)

    def list(self, namespace: str | None = None) -> Objects:
        """All objects, or those of one namespace."""
        if namespace is None:
            return [obj for objects in self._objects.values() for obj in objects.values()]
        return list(self._objects.get(namespace, {}).values())

    def by_index(self, index: str, value: str) -> Objects:
        """The objects whose index `index` holds `value`."""
        return list(self._indices[index].get(value, {}).values())

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds. It is looked at after every event and every list."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def saw(self, written: Object) -> None:
        """Wait until the copy is at least as new as `written`, the reply to a write.

        A controller that waits for its own writes before it lets go of a key never acts twice
        on a stale copy. The write must be to an object that this informer selects.
        """
        version, lists = int(written["metadata"]["resourceVersion"]), self._lists_begun
        await self.until(lambda: self._version >= version or self._list_done > lists)

    async def saw_deletion(self, obj: Object) -> None:
        """Wait until the copy has `obj`, which the caller has deleted, no more or as terminating."""
        namespace, name = key_of(obj)
        uid, lists = obj["metadata"]["uid"], self._lists_begun

        def gone() -> bool:
            now = self.get(namespace, name)
            same = now is not None and now["metadata"]["uid"] == uid
            terminating = now is not None and "deletionTimestamp" in now["metadata"]
            return not same or terminating or self._list_done > lists

        await self.until(gone)

    async def run(self) -> None:
        """Follow the apiserver until cancelled."""
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                self._lists_begun += 1
                number = self._lists_begun
                listed = await self._client.list(
                    self.resource, self._namespace, **self._where, transform=self._transform
                )
                version = self._replace(listed, number)
                delay = FIRST_DELAY_SECONDS
                while True:
                    version = await self._follow(version)
            except StatusError as error:
                logger.debug("%s: %s", self.resource.group_resource, error)
            except Exception:
                logger.exception("%s", self.resource.group_resource)
            await self._clock.sleep(delay)
            delay = min(delay * 2, MAX_DELAY_SECONDS)

    async def _follow(self, version: str) -> str:
        began = version
        events = self._client.watch(self.resource, self._namespace, resource_version=version, **self._where)
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    self._change(key_of(event.object), None)
                elif event.type != "BOOKMARK":
                    self._change(key_of(event.object), self._keep(event.object))
                self._reach(version)
        if version == began:  # a server that ends every stream at once is not asked in a tight loop
            await self._clock.sleep(FIRST_DELAY_SECONDS)
        return version

    def _replace(self, listed: ObjectList, number: int) -> str:
        fresh = {key_of(obj): obj for obj in listed.items}
        for key in [key_of(obj) for obj in self.list() if key_of(obj) not in fresh]:
            self._change(key, None)
        for key, obj in fresh.items():
            old = self.get(*key)
            if old is None or old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._change(key, obj)
        self._list_done = number
        self._synced.set()
        self._reach(listed.resource_version)
        return listed.resource_version

    def _keep(self, obj: Object) -> Object:
        return self._transform(obj) if self._transform else obj

    def _reach(self, version: str) -> None:
        self._version = int(version)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _change(self, key: Key, new: Object | None) -> None:
        namespace, name = key
        objects = self._objects.setdefault(namespace, {})
        old = objects.pop(name, None)
        if new is not None:
            objects[name] = new
        elif not objects:
            del self._objects[namespace]
        if old is None and new is None:
            return
        for index in self._indexers:
            self._index(index, key, old, new)
        for handler in self._handlers:
            self._call(handler, old, new)

    def _index(self, name: str, key: Key, old: Object | None, new: Object | None) -> None:
        keys, index = self._indexers[name], self._indices[name]
        for value in keys(old) if old else ():
            found = index.get(value, {})
            found.pop(key, None)
            if not found:
                index.pop(value, None)
        if new is not None:
            for value in keys(new):
                index.setdefault(value, {})[key] = new

    def _call(self, handler: Handler, old: Object | None, new: Object | None) -> None:
        try:
            handler(old, new)
        except Exception:
            logger.exception("a handler of %s failed", self.resource.group_resource)


async def run_informers(*informers: Informer) -> None:
    """Run several for ever."""
    async with asyncio.TaskGroup() as group:
        for informer in informers:
            group.create_task(informer.run())


async def all_synced(*informers: Informer) -> None:
    """Wait until each has its first list."""
    for informer in informers:
        await informer.synced()
