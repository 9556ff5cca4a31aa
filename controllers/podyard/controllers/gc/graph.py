"""Owners and dependents, by uid. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from podyard.api.resources import Resource
from podyard.controllers.meta import Object, is_terminating

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Item:
    """An object that owns others or is owned, with its resource."""

    resource: Resource
    obj: Object

    @property
    def uid(self) -> str:
        """metadata.uid"""
        return str(self.obj["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """metadata.namespace, "" for a cluster-scoped object."""
        return str(self.obj["metadata"].get("namespace", ""))

    @property
    def owners(self) -> list[Object]:
        """Its owner references."""
        return self.obj["metadata"].get("ownerReferences") or []

    def is_waiting_for(self, finalizer: str) -> bool:
        """Whether it is being deleted, and the deletion waits for this finalizer."""
        return is_terminating(self.obj) and finalizer in (self.obj["metadata"].get("finalizers") or ())


class Graph:
    """All objects known, and who depends on whom; owners may be unknown."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._dependents: dict[str, dict[str, None]] = {}  # owner's uid → uids, in order of arrival

    def get(self, uid: str) -> Item | None:
        """An object, if it is known."""
        return self._items.get(uid)

    def dependents(self, uid: str) -> list[Item]:
        """The objects that name this uid among their owners."""
        return [self._items[dependent] for dependent in self._dependents.get(uid, ())]

    def put(self, item: Item) -> list[str]:
        """A new or changed object. Gives the uids that have to be looked at."""
        before = self._items.get(item.uid)
        self._items[item.uid] = item
        old = {ref["uid"] for ref in before.owners} if before else set()
        new = {ref["uid"] for ref in item.owners}
        for owner in new - old:
            self._dependents.setdefault(owner, {})[item.uid] = None
        for owner in old - new:
            self._drop(owner, item.uid)
        look = [owner for owner in sorted(old | new) if self._deletes_dependents(owner)]
        own_deletion = item.is_waiting_for(FOREGROUND) or item.is_waiting_for(ORPHAN)
        if own_deletion or any(o not in self._items or self._deletes_dependents(o) for o in new):
            look.append(item.uid)
        return look

    def remove(self, uid: str) -> list[str]:
        """An object has gone. Gives the uids that have to be looked at."""
        item = self._items.pop(uid, None)
        if item is None:
            return []
        for reference in item.owners:
            self._drop(reference["uid"], uid)
        owners = [ref["uid"] for ref in item.owners if self._deletes_dependents(ref["uid"])]
        return owners + list(self._dependents.get(uid, ()))

    def _deletes_dependents(self, uid: str) -> bool:
        item = self._items.get(uid)
        return item is not None and item.is_waiting_for(FOREGROUND)

    def _drop(self, owner: str, dependent: str) -> None:
        found = self._dependents.get(owner, {})
        found.pop(dependent, None)
        if not found:
            self._dependents.pop(owner, None)
