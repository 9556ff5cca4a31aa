"""What to do about one object whose owners, or whose own deletion, ask for something. Pure.

Source: garbagecollector.go, attemptToDeleteItem and processDeletingDependentsItem.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from podyard.controllers.gc.graph import FOREGROUND, ORPHAN, Graph, Item
from podyard.controllers.meta import Object, is_terminating


@dataclass(frozen=True, slots=True)
class Action:
    """What to do, in this order; an empty one is nothing."""

    orphan: list[Item] = field(default_factory=list)  # take the reference to this object off these
    unblock: bool = False  # clear blockOwnerDeletion in its own references
    drop_references: list[str] = field(default_factory=list)  # owners' uids to take off this object
    delete: str = ""  # a propagation policy
    remove_finalizer: str = ""
    look_at: list[str] = field(default_factory=list)  # uids of others that can go now


def unknown_owners(item: Item, graph: Graph) -> list[Object]:
    """The owner references that the graph cannot tell about; ask the apiserver for these."""
    if is_terminating(item.obj):
        return []
    return [reference for reference in item.owners if _owner(item, reference, graph) is None]


def _owner(item: Item, reference: Object, graph: Graph) -> Item | None:
    """The owner, if it is known and is really the one that the reference describes."""
    owner = graph.get(reference["uid"])
    if owner is None or (owner.obj["kind"], owner.obj["metadata"]["name"]) != (
        reference["kind"],
        reference["name"],
    ):
        return None
    return owner if owner.namespace in ("", item.namespace) else None


def plan(item: Item, graph: Graph, absent: Collection[str]) -> Action:
    """Decide; `absent` holds the uids of owners that the apiserver says are not there."""
    if is_terminating(item.obj):
        return _finish_deletion(item, graph)
    dangling: list[str] = []
    waiting: list[str] = []
    solid: list[str] = []
    for reference in item.owners:
        owner = _owner(item, reference, graph)
        if owner is None:
            (dangling if reference["uid"] in absent else solid).append(reference["uid"])
        else:
            (waiting if owner.is_waiting_for(FOREGROUND) else solid).append(reference["uid"])
    if not dangling and not waiting:
        return Action()
    if solid:
        return Action(drop_references=dangling + waiting)
    dependents = graph.dependents(item.uid)
    if waiting and dependents:
        # In a circle of owners somebody has to stop waiting.
        circular = any(dependent.is_waiting_for(FOREGROUND) for dependent in dependents)
        return Action(unblock=circular, delete="Foreground")
    finalizers = item.obj["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return Action(delete="Orphan")
    return Action(delete="Foreground" if FOREGROUND in finalizers else "Background")


def _finish_deletion(item: Item, graph: Graph) -> Action:
    dependents = graph.dependents(item.uid)
    if item.is_waiting_for(ORPHAN):
        return Action(orphan=dependents, remove_finalizer=ORPHAN)
    if not item.is_waiting_for(FOREGROUND):
        return Action()
    blocking = [dependent for dependent in dependents if _blocks(dependent, item.uid)]
    if not blocking:
        return Action(remove_finalizer=FOREGROUND)
    return Action(look_at=[dependent.uid for dependent in blocking if not is_terminating(dependent.obj)])


def _blocks(dependent: Item, owner: str) -> bool:
    return any(ref["uid"] == owner and ref.get("blockOwnerDeletion") for ref in dependent.owners)
