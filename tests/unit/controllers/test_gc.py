"""Owners, dependents and the three ways of deleting."""

from __future__ import annotations

from podyard.api.resources import NODES, PODS, REPLICASETS
from podyard.controllers.gc.graph import FOREGROUND, ORPHAN, Graph, Item
from podyard.controllers.gc.plan import Action, plan, unknown_owners
from tests.unit.controllers.objects import Object


def item(
    name: str,
    *owners: Item,
    finalizer: str = "",
    deleting: bool = False,
    blocking: bool = True,
    namespace: str = "default",
) -> Item:
    """An object whose uid is its name."""
    references = [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": owner.uid,
            "uid": owner.uid,
            "blockOwnerDeletion": blocking,
        }
        for owner in owners
    ]
    metadata: Object = {"name": name, "namespace": namespace, "uid": name, "ownerReferences": references}
    if finalizer:
        metadata["finalizers"] = [finalizer]
    if deleting:
        metadata["deletionTimestamp"] = "2027-01-01T00:00:00Z"
    return Item(REPLICASETS, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata})


def graph(*items: Item) -> Graph:
    made = Graph()
    for one in items:
        made.put(one)
    return made


OWNER, OTHER = item("owner"), item("other")


def test_an_object_with_its_owner_stays() -> None:
    owned = item("owned", OWNER)
    assert plan(owned, graph(OWNER, owned), ()) == Action()


def test_background_deletion() -> None:
    owned = item("owned", OWNER)
    made = graph(OWNER, owned)
    assert made.remove("owner") == ["owned"]
    assert [ref["uid"] for ref in unknown_owners(owned, made)] == ["owner"]
    assert plan(owned, made, ["owner"]) == Action(delete="Background")


def test_an_owner_that_is_only_not_known_yet_is_no_reason() -> None:
    owned = item("owned", OWNER)
    assert graph().put(owned) == ["owned"]
    assert plan(owned, graph(owned), ()) == Action()


def test_an_owner_of_the_same_uid_but_another_name_is_none() -> None:
    impostor = Item(PODS, {"kind": "Pod", "metadata": {"name": "x", "namespace": "default", "uid": "owner"}})
    owned = item("owned", OWNER)
    assert len(unknown_owners(owned, graph(impostor, owned))) == 1


def test_an_owner_in_another_namespace_is_none() -> None:
    elsewhere, owned = item("owner", namespace="other"), item("owned", OWNER)
    assert len(unknown_owners(owned, graph(elsewhere, owned))) == 1
    everywhere = Item(NODES, {"kind": "ReplicaSet", "metadata": {"name": "owner", "uid": "owner"}})
    assert unknown_owners(owned, graph(everywhere, owned)) == []


def test_one_of_two_owners_is_gone() -> None:
    owned = item("owned", OWNER, OTHER)
    assert plan(owned, graph(OWNER, owned), ["other"]) == Action(drop_references=["other"])


def test_foreground_deletion_takes_the_dependents_first() -> None:
    owner = item("owner", finalizer=FOREGROUND, deleting=True)
    owned = item("owned", owner)
    made = graph(owned)
    assert set(made.put(owner)) == {"owner"}
    assert plan(owner, made, ()) == Action(look_at=["owned"])
    assert plan(owned, made, ()) == Action(delete="Background")
    assert made.remove("owned") == ["owner"]
    assert plan(owner, made, ()) == Action(remove_finalizer=FOREGROUND)


def test_foreground_deletion_goes_down_the_tree() -> None:
    owner = item("owner", finalizer=FOREGROUND, deleting=True)
    middle = item("middle", owner)
    leaf = item("leaf", middle)
    assert plan(middle, graph(owner, middle, leaf), ()) == Action(delete="Foreground")


def test_foreground_deletion_does_not_wait_for_dependents_that_do_not_block() -> None:
    owner = item("owner", finalizer=FOREGROUND, deleting=True)
    owned = item("owned", owner, blocking=False)
    assert plan(owner, graph(owner, owned), ()) == Action(remove_finalizer=FOREGROUND)


def test_a_circle_of_owners_is_broken() -> None:
    first = item("first", item("second"), finalizer=FOREGROUND, deleting=True)
    second = item("second", first)
    assert plan(second, graph(first, second), ()) == Action(unblock=True, delete="Foreground")


def test_orphans_lose_the_reference() -> None:
    owner = item("owner", finalizer=ORPHAN, deleting=True)
    owned = item("owned", owner)
    assert plan(owner, graph(owner, owned), ()) == Action(orphan=[owned], remove_finalizer=ORPHAN)


def test_a_terminating_object_is_left_alone() -> None:
    owned = item("owned", OWNER, deleting=True)
    assert plan(owned, graph(owned), ["owner"]) == Action()


def test_a_reference_that_was_taken_off_counts_no_more() -> None:
    made = graph(OWNER, item("owned", OWNER))
    made.put(item("owned"))
    assert made.remove("owner") == []
