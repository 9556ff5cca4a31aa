"""Objects of the registry in storage and cache: keys, bytes and revisions end here."""

from __future__ import annotations

from collections.abc import Iterator

from podyard.api.errors import internal_error
from podyard.api.resources import Resource
from podyard.apiserver.cacher.cacher import Cacher
from podyard.apiserver.cacher.encoding import at_revision, encode, storage_key
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry import Object, Stored
from podyard.apiserver.storage import Conflict, Storage, StorageError


class Store:
    """Reads from the cache; writes to the storage, and waits until the cache has the write."""

    def __init__(self, storage: Storage, cacher: Cacher) -> None:
        self._storage = storage
        self.cacher = cacher

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

    async def put(self, resource: Resource, obj: Object, expected: int, *, dry_run: bool) -> Stored:
        """Store an object that is at revision `expected` (0: absent). Raises `Conflict`."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        data = encode(obj)
        if dry_run:
            return Stored(namespace, name, expected, at_revision(data, expected) if expected else data)
        key = storage_key(resource.group_resource, namespace, name)
        try:
            revision = await self._storage.put(key, data, expected)
        except StorageError as error:
            raise internal_error(str(error)) from error
        except Conflict as conflict:
            await self.cacher.reached(conflict.revision)
            raise
        await self.cacher.reached(revision)
        return Stored(namespace, name, revision, at_revision(data, revision))

    async def remove(self, resource: Resource, obj: Object, expected: int, *, dry_run: bool) -> Stored:
        """Remove an object that is at revision `expected`; give its last form. Raises `Conflict`."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        data = encode(obj)
        if dry_run:
            return Stored(namespace, name, expected, at_revision(data, expected))
        key = storage_key(resource.group_resource, namespace, name)
        try:
            revision = await self._storage.delete(key, expected)
        except StorageError as error:
            raise internal_error(str(error)) from error
        except Conflict as conflict:
            await self.cacher.reached(conflict.revision)
            raise
        await self.cacher.reached(revision)
        return Stored(namespace, name, revision, at_revision(data, revision))
