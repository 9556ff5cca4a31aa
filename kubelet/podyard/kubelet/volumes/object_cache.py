"""The Secrets and ConfigMaps that pods of this node use, kept up to date by watching each alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from podyard.api.resources import Resource
from podyard.client.client import Client
from podyard.client.informer import Informer

Object = dict[str, Any]

Key = tuple[Resource, str, str]


class Reference:
    """One user's hold on an object. `release` it in the end."""

    def __init__(self, entry: _Entry, changed: Callable[[], None]) -> None:
        self._entry = entry
        self.changed = changed

    @property
    def known(self) -> bool:
        """Whether the apiserver has said what there is."""
        return self._entry.known

    @property
    def object(self) -> Object | None:
        """The object as it was last seen; None when there is none."""
        return self._entry.object

    def release(self) -> None:
        """The user is gone; the last one ends the watch."""
        self._entry.release(self)


class ObjectCache:
    """Watches an object (by a field selector on its name) as long as somebody refers to it.

    A node needs to see no other Secrets than those of its pods, and pays nothing for the rest. An object
    that is immutable is watched no longer once it has been seen; a new user has it looked up again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._entries: dict[Key, _Entry] = {}

    def acquire(
        self, resource: Resource, namespace: str, name: str, changed: Callable[[], None]
    ) -> Reference:
        """Refer to an object from now on; `changed` is called when it is known and at every change."""
        key = (resource, namespace, name)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self._client, key, lambda: self._entries.pop(key))
        reference = Reference(entry, changed)
        entry.add(reference)
        return reference

    def watched(self) -> int:
        """How many objects are being watched."""
        return sum(entry.watching for entry in self._entries.values())


class _Entry:
    def __init__(self, client: Client, key: Key, unused: Callable[[], object]) -> None:
        self.known = False
        self._client = client
        self._key = key
        self._unused = unused
        self._references: set[Reference] = set()
        self._informer: Informer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._first: asyncio.Task[None] | None = None

    @property
    def object(self) -> Object | None:
        _, namespace, name = self._key
        return self._informer.get(namespace, name) if self._informer else None

    @property
    def watching(self) -> bool:
        return self._watch is not None

    def add(self, reference: Reference) -> None:
        self._references.add(reference)
        if self._watch is None:
            self._start()

    def release(self, reference: Reference) -> None:
        self._references.discard(reference)
        if not self._references:
            self._stop()
            if self._first is not None:
                self._first.cancel()
            self._unused()

    def _start(self) -> None:
        resource, namespace, name = self._key
        self.known = False
        self._informer = Informer(self._client, resource, namespace, field_selector=f"metadata.name={name}")
        self._informer.add_handler(self._see)
        self._watch = asyncio.create_task(self._informer.run(), name=f"watch {namespace}/{name}")
        self._first = asyncio.create_task(self._tell_first(self._informer))

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _tell_first(self, informer: Informer) -> None:
        await informer.synced()
        self.known = True
        self._tell()

    def _see(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new.get("immutable"):
            self._stop()
        if self.known:
            self._tell()

    def _tell(self) -> None:
        for reference in list(self._references):
            reference.changed()
