"""The objects of one resource, its recent changes and its watchers."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Iterator

from podyard.apiserver.cacher.change import CachedChange
from podyard.apiserver.cacher.index import Index, Key
from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.cacher.watcher import Watcher
from podyard.apiserver.storage import Compacted

HISTORY = 1_000
"""How many changes of each resource are kept."""


class ResourceCache:
    """Plain data, changed only by `load` and `apply`."""

    def __init__(self, oldest: int, history: int = HISTORY) -> None:
        """`oldest` is the revision from which the changes will be known."""
        self._entries: dict[Key, Entry] = {}
        self._keys: list[Key] = []  # sorted
        self._index = Index()
        self._history: deque[CachedChange] = deque()
        self._limit = history
        self._oldest = oldest
        self.watchers: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, namespace: str, name: str) -> Entry | None:
        """One object."""
        return self._entries.get((namespace, name))

    def entries(self, namespace: str = "") -> Iterator[Entry]:
        """The objects of a namespace or of all, in order, as they are now."""
        return (self._entries[key] for key in _range(self._keys, namespace))

    def entries_with(self, value: str) -> list[Entry]:
        """Those that `index_values` gives this value for."""
        return self._index.find(value)

    def entries_at(self, revision: int, namespace: str = "") -> Iterator[Entry]:
        """As they were at an older revision; Compacted when that is not known any more."""
        if revision < self._oldest:
            raise Compacted(self._oldest)
        entries = dict(self._entries)
        for change in reversed(self._history):
            if change.revision <= revision:
                break
            if change.old is None:
                del entries[change.key]
            else:
                entries[change.key] = change.old
        return (entries[key] for key in _range(sorted(entries), namespace))

    def changes_after(self, revision: int) -> Iterable[CachedChange]:
        """What happened after a revision; Compacted when that is not known any more."""
        if revision < self._oldest:
            raise Compacted(self._oldest)
        start = bisect.bisect_right(self._history, revision, key=lambda change: change.revision)
        return [self._history[i] for i in range(start, len(self._history))]

    def apply(self, revision: int, key: Key, new: Entry | None) -> None:
        """An object was put, or is gone (None). The watchers are told."""
        old = self._entries.get(key)
        if new is not None:
            self._entries[key] = new
            if old is None:
                bisect.insort(self._keys, key)
        elif old is not None:
            del self._entries[key]
            del self._keys[bisect.bisect_left(self._keys, key)]
        else:
            return
        self._index.replace(key, old, new)
        change = CachedChange(revision, old, new)
        self._history.append(change)
        if len(self._history) > self._limit:
            self._oldest = self._history.popleft().revision
        for watcher in tuple(self.watchers):
            watcher.offer(change)

    def load(self, key: Key, entry: Entry) -> None:
        """An object that was there at the beginning."""
        self._entries[key] = entry
        bisect.insort(self._keys, key)
        self._index.replace(key, None, entry)


def _range(keys: list[Key], namespace: str) -> list[Key]:
    """The keys of one namespace, of all when it is empty; a copy, safe from later changes."""
    if not namespace:
        return keys.copy()
    return keys[bisect.bisect_left(keys, (namespace, "")) : bisect.bisect_left(keys, (namespace + "\0", ""))]
