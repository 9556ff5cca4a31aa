"""Objects of the registry in storage and cache: keys, bytes and revisions end here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from podyard.api.errors import internal_error
from podyard.api.resources import Resource
from podyard.apiserver.cacher.cacher import Cacher
from podyard.apiserver.cacher.encoding import at_revision, encode, storage_key, without_revision
from podyard.apiserver.cacher.index import UNIQUE, Key, index_values
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry import Object, Stored
from podyard.apiserver.storage import Conflict, Storage, StorageError


class Store:
    """Reads from the cache; writes to the storage, and waits until the cache has the write."""

    def __init__(self, storage: Storage, cacher: Cacher) -> None:
        self._storage = storage
        self.cacher = cacher
        self._writing: dict[tuple[str, str], list[Key]] = {}
        """Who is about to hold what: (group resource, value) of the writes under way."""

    def entry(self, resource: Resource, namespace: str, name: str) -> Entry | None:
        """One object as it is now."""
        return self.cacher.resource(resource.group_resource).get(namespace, name)

    def lookup(self, group_resource: str, namespace: str, name: str) -> Object | None:
        """One object, decoded."""
        entry = self.cacher.resource(group_resource).get(namespace, name)
        return entry.stored.decode() if entry else None

    def objects(self, group_resource: str, namespace: str = "") -> Iterator[Object]:
        """All objects of a resource, decoded."""
        return (entry.stored.decode() for entry in self.cacher.resource(group_resource).entries(namespace))

    def holders(self, group_resource: str, value: str) -> set[Key]:
        """Which objects of a resource in UNIQUE have a value, or will when their write is done."""
        stored = [entry.stored for entry in self.cacher.resource(group_resource).entries_with(value)]
        return {
            *((one.namespace, one.name) for one in stored),
            *self._writing.get((group_resource, value), ()),
        }

    async def put(self, resource: Resource, obj: Object, expected: int, *, dry_run: bool) -> Stored:
        """Store an object that is at revision `expected` (0: absent). Raises `Conflict`."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        data = encode(obj)
        if dry_run:
            shown = at_revision(data, expected) if expected else without_revision(data)
            return Stored(namespace, name, expected, shown)
        key = storage_key(resource.group_resource, namespace, name)
        written = self._written(self._storage.put(key, data, expected))
        if resource.group_resource in UNIQUE:
            written = self._held_meanwhile(resource.group_resource, obj, written)
        revision = await written
        return Stored(namespace, name, revision, at_revision(data, revision))

    async def remove(self, resource: Resource, obj: Object, expected: int, *, dry_run: bool) -> Stored:
        """Remove an object that is at revision `expected`; give its last form. Raises `Conflict`."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        data = encode(obj)
        if dry_run:
            return Stored(namespace, name, expected, at_revision(data, expected))
        key = storage_key(resource.group_resource, namespace, name)
        revision = await self._written(self._storage.delete(key, expected))
        return Stored(namespace, name, revision, at_revision(data, revision))

    async def _written(self, write: Coroutine[Any, Any, int]) -> int:
        """Wait until the cache has it; give the revision."""
        try:
            revision = await write
        except StorageError as error:
            raise internal_error(str(error)) from error
        except Conflict as conflict:
            await self.cacher.reached(conflict.revision)
            raise
        await self.cacher.reached(revision)
        return revision

    async def _held_meanwhile(
        self, group_resource: str, obj: Object, written: Coroutine[Any, Any, int]
    ) -> int:
        """Let `holders` know what the object has, until the cache does or the write has failed.

        A caller that is cancelled does not stop its write, so the write is a task of its own.
        """
        own = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        held = [(group_resource, value) for value in index_values(group_resource, obj)]
        for one in held:
            self._writing.setdefault(one, []).append(own)
        task = asyncio.ensure_future(written)

        def done(_: asyncio.Future[int]) -> None:
            for one in held:
                self._writing[one].remove(own)
                if not self._writing[one]:
                    del self._writing[one]
            if not task.cancelled():
                task.exception()  # looked at, though its caller may be gone

        task.add_done_callback(done)
        return await asyncio.shield(task)
