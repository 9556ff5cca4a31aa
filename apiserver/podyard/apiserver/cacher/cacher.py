"""All resources in memory, fed from the storage's log."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import orjson

from podyard.apiserver.cacher.encoding import at_revision, split_key
from podyard.apiserver.cacher.fields import selectable_fields
from podyard.apiserver.cacher.index import index_values
from podyard.apiserver.cacher.resource_cache import HISTORY, ResourceCache
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry import Stored
from podyard.apiserver.storage import Change, Storage, Value

REPLAY = 2_000
"""How many revisions are replayed at the start, so that watchers can go on after a restart."""


class Cacher:
    """Begin with `start`; then `run` must be running."""

    def __init__(self, storage: Storage, history: int = HISTORY) -> None:
        self._storage = storage
        self._oldest = 0
        self.revision = 0
        self._resources: defaultdict[str, ResourceCache] = defaultdict(
            lambda: ResourceCache(self._oldest, history)
        )
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def resource(self, group_resource: str) -> ResourceCache:
        """The cache of one resource, such as "deployments.apps"."""
        return self._resources[group_resource]

    async def start(self) -> None:
        """Read what is stored, as it was some revisions ago; `run` replays the rest."""
        oldest, latest = await self._storage.revision()
        self._oldest = self.revision = max(oldest, latest - REPLAY)
        for value in await self._storage.list("", self._oldest):
            group_resource, namespace, name = split_key(value.key)
            self._resources[group_resource].load((namespace, name), _entry(value))

    async def run(self) -> None:
        """Follow the storage until cancelled."""
        async for changes in self._storage.watch(self._oldest):
            for change in changes:
                self._apply(change)
            self._wake()

    async def reached(self, revision: int) -> None:
        """Wait until the changes up to `revision` are here."""
        if revision > self.revision:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, future))
            await future

    def end_watches(self) -> None:
        """End every watch, so that the server can stop."""
        for resource in self._resources.values():
            for watcher in tuple(resource.watchers):
                watcher.end()

    def _apply(self, change: Change) -> None:
        group_resource, namespace, name = split_key(change.key)
        entry = None
        if change.data is not None:
            entry = _entry(Value(change.key, change.revision, change.data))
        self.revision = change.revision
        self._resources[group_resource].apply(change.revision, (namespace, name), entry)

    def _wake(self) -> None:
        still = []
        for revision, future in self._waiting:
            if revision > self.revision:
                still.append((revision, future))
            elif not future.done():
                future.set_result(None)
        self._waiting = still


def _entry(value: Value) -> Entry:
    group_resource, namespace, name = split_key(value.key)
    obj = orjson.loads(value.data)
    stored = Stored(namespace, name, value.revision, at_revision(value.data, value.revision))
    labels = obj["metadata"].get("labels") or {}
    return Entry(stored, labels, selectable_fields(group_resource, obj), index_values(group_resource, obj))
