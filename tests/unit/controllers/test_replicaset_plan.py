"""Which pods a ReplicaSet creates and deletes, and what its status says."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.controllers.meta import classify, controller_reference
from podyard.controllers.replicaset.plan import BURST, new_pod, plan, replica_status
from tests.unit.controllers.objects import NOW, pod, replica_set


@pytest.mark.parametrize(
    ("desired", "existing", "created", "deleted"),
    [(3, 0, 3, 0), (3, 2, 1, 0), (3, 3, 0, 0), (1, 3, 0, 2), (0, 2, 0, 2), (2000, 0, BURST, 0)],
)
def test_how_many(desired: int, existing: int, created: int, deleted: int) -> None:
    pods = [pod(f"p{i}") for i in range(existing)]
    result = plan(desired, pods, pods, NOW)
    assert (result.create, len(result.delete)) == (created, deleted)


# Of each pair the first one is deleted before the second.
LESS_WORTH = [
    ({"node": ""}, {"node": "node1", "ready": False}),
    ({"phase": "Pending", "ready": False}, {"phase": "Unknown", "ready": False}),
    ({"phase": "Unknown", "ready": False}, {"ready": False}),
    ({"ready": False}, {}),
    (
        {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}, "ready": NOW - 9999},
        {"ready": NOW - 10},
    ),
    ({"ready": NOW - 2}, {"ready": NOW - 2000}),
    ({"ready": NOW - 3000, "restarts": 3}, {"ready": NOW - 3000}),
    ({"created": NOW - 10, "ready": NOW - 5}, {"created": NOW - 3000, "ready": NOW - 5}),
]


@pytest.mark.parametrize(("first", "second"), LESS_WORTH)
def test_deletion_order(first: dict[str, Any], second: dict[str, Any]) -> None:
    a, b = pod("a", **first), pod("b", **second)
    for pods in ([a, b], [b, a]):
        assert plan(1, pods, [], NOW).delete == [a]


def test_a_pod_that_shares_its_node_goes_before_one_that_is_alone() -> None:
    alone, one, two = pod("alone", node="n1"), pod("one", node="n2"), pod("two", node="n2")
    assert plan(2, [alone, one, two], [alone, one, two], NOW).delete[0] in (one, two)
    # Pods of a sibling ReplicaSet count too.
    sibling = pod("old", node="n1")
    assert plan(1, [alone, pod("b", node="n3")], [alone, sibling], NOW).delete == [alone]


def test_status_counts_pods_by_state() -> None:
    pods = [pod("a"), pod("b", ready=False), pod("c", labels={})]
    status, again = replica_status(replica_set(), pods, 1, "", NOW)
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 1,
        "observedGeneration": 1,
    }
    assert again is None


def test_a_pod_is_available_only_after_min_ready_seconds() -> None:
    owner = replica_set(minReadySeconds=30)
    status, again = replica_status(owner, [pod("a", ready=NOW - 10), pod("b", ready=NOW - 60)], 0, "", NOW)
    assert (status["readyReplicas"], status["availableReplicas"], again) == (2, 1, 20.0)


def test_empty_status_keeps_replicas() -> None:
    status, _ = replica_status(replica_set(0), [], 0, "", NOW)
    assert status == {"replicas": 0, "terminatingReplicas": 0, "observedGeneration": 1}


def test_a_failure_becomes_a_condition_and_goes_again() -> None:
    owner = replica_set(2)
    status, _ = replica_status(owner, [], 0, "quota exceeded", NOW)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "ReplicaFailure",
        "FailedCreate",
        "quota exceeded",
    )
    owner["status"] = status
    assert "conditions" not in replica_status(owner, [], 0, "", NOW)[0]


def test_new_pod_belongs_to_its_owner() -> None:
    owner = replica_set()
    made = new_pod(owner, controller_reference(owner))
    assert made["metadata"] == {
        "generateName": "web-",
        "namespace": "default",
        "labels": {"app": "web"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web",
                "uid": "uid-rs",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def test_claims() -> None:
    owner = replica_set()
    mine, other = controller_reference(owner), {**controller_reference(owner), "uid": "uid-else"}
    owned, alien = pod("owned", owner=mine), pod("alien", owner=other)
    strayed, orphan = pod("strayed", owner=mine, labels={}), pod("orphan")
    dying = pod("dying", terminating=True)
    pods = [owned, alien, strayed, orphan, dying]

    def matches(obj: dict[str, Any]) -> bool:
        return bool(obj["metadata"]["labels"] == {"app": "web"})

    assert classify(owner, pods, matches) == ([owned], [orphan], [strayed])
    owner["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z"
    assert classify(owner, pods, matches) == ([owned], [], [])
