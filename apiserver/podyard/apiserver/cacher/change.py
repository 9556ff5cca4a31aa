"""A change of one object, as each watcher sees it."""

from __future__ import annotations

from podyard.apiserver.cacher.encoding import at_revision
from podyard.apiserver.cacher.selection import Entry, Selection
from podyard.apiserver.registry import Event


class CachedChange:
    """What an object was and became; None where it was or is absent. The bytes are shared."""

    __slots__ = ("_gone", "new", "old", "revision")

    def __init__(self, revision: int, old: Entry | None, new: Entry | None) -> None:
        self.revision = revision
        self.old = old
        self.new = new
        self._gone: Event | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The object's (namespace, name)."""
        entry = self.new or self.old
        assert entry is not None  # one of them is there: a change is of something
        return entry.stored.namespace, entry.stored.name

    def seen_through(self, selection: Selection) -> Event | None:
        """The event for a watcher of `selection`.

        An object that enters the selection is ADDED; one that leaves it is DELETED, shown as it
        was when it was last selected, at the new version (kube-apiserver's cacher does so).
        """
        before = self.old is not None and selection.matches(self.old)
        if self.new is not None and selection.matches(self.new):
            return Event("MODIFIED" if before else "ADDED", self.revision, self.new.stored.data)
        if not before or self.old is None:
            return None
        if self._gone is None:
            self._gone = Event("DELETED", self.revision, at_revision(self.old.stored.data, self.revision))
        return self._gone
