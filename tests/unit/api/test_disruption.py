"""What PodDisruptionBudgets amount to, and whom they let go."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.disruption import Disruptions, Object, covers, disruptions, may_evict


def pod(state: str = "ready", owner: tuple[str, str] | None = None) -> Object:
    """A pod that is ready, unready, failed or terminating; `owner` is its controller's kind and name."""
    metadata: Object = {"name": "p", "namespace": "default", "labels": {"app": "web"}}
    if state == "terminating":
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if owner:
        metadata["ownerReferences"] = [reference(*owner)]
    condition = {"type": "Ready", "status": "True" if state in ("ready", "terminating") else "False"}
    phase = "Failed" if state == "failed" else "Running"
    return {"metadata": metadata, "status": {"phase": phase, "conditions": [condition]}}


def reference(kind: str, name: str) -> Object:
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


def scaled(name: str, replicas: int | None, owner: tuple[str, str] | None = None) -> Object:
    metadata: Object = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [reference(*owner)]
    return {"metadata": metadata, "spec": {} if replicas is None else {"replicas": replicas}}


OWNERS = {
    ("deployments.apps", "web"): scaled("web", 4),
    ("replicasets.apps", "web-old"): scaled("web-old", 1, ("Deployment", "web")),
    ("replicasets.apps", "web-new"): scaled("web-new", 3, ("Deployment", "web")),
    ("replicasets.apps", "alone"): scaled("alone", 3),
    ("replicasets.apps", "orphaned"): scaled("orphaned", 2, ("Deployment", "gone")),
    ("replicasets.apps", "own"): scaled("own", 2, ("ReplicaSet", "own")),
    ("replicasets.apps", "none"): scaled("none", 0),
    ("statefulsets.apps", "db"): scaled("db", None),
    ("replicationcontrollers", "rc"): scaled("rc", 5),
    ("replicasets.apps", "reborn"): {**scaled("reborn", 9), "metadata": {"uid": "another"}},
}


def find(group_resource: str, namespace: str, name: str) -> Object | None:
    assert namespace == "default"
    return OWNERS.get((group_resource, name))


ALONE = ("ReplicaSet", "alone")
UNKNOWN = Disruptions(0, 0, 2, failure='found no controllers for pod "p"')


@pytest.mark.parametrize(
    ("spec", "pods", "expected", "allowed"),
    [
        ({"minAvailable": 2}, [pod()] * 3, Disruptions(3, 2, 3), 1),
        ({"minAvailable": 2}, [pod(), pod("unready"), pod("failed")], Disruptions(3, 2, 1), 0),
        ({"minAvailable": 0}, [pod("unready")], Disruptions(1, 0, 0), 0),
        ({"minAvailable": 1}, [], Disruptions(0, 1, 0), 0),
        ({}, [pod()], Disruptions(1, 0, 1), 1),
        # A number of replicas is the owners', whatever is left over of former pods.
        ({"maxUnavailable": 1}, [pod(owner=ALONE)] * 3 + [pod("failed", ALONE)], Disruptions(3, 2, 3), 1),
        (
            {"maxUnavailable": 1},
            [pod(owner=ALONE)] * 2 + [pod("terminating", ALONE)],
            Disruptions(3, 2, 2),
            0,
        ),
        ({"maxUnavailable": 1}, [pod(owner=ALONE)] * 4, Disruptions(3, 2, 4), 2),
        ({"maxUnavailable": 7}, [pod(owner=ALONE)] * 3, Disruptions(3, 0, 3), 3),
        ({"maxUnavailable": 0}, [pod(owner=ALONE)] * 3, Disruptions(3, 3, 3), 0),
        ({"maxUnavailable": "50%"}, [pod(owner=ALONE)] * 3, Disruptions(3, 1, 3), 2),
        ({"minAvailable": "50%"}, [pod(owner=ALONE)] * 3, Disruptions(3, 2, 3), 1),
        ({"minAvailable": "100%"}, [pod(owner=ALONE)] * 3, Disruptions(3, 3, 3), 0),
        # A Deployment speaks for all its ReplicaSets.
        (
            {"maxUnavailable": 1},
            [pod(owner=("ReplicaSet", "web-old"))] + [pod(owner=("ReplicaSet", "web-new"))] * 2,
            Disruptions(4, 3, 3),
            0,
        ),
        ({"maxUnavailable": 1}, [pod(owner=("ReplicaSet", "orphaned"))], Disruptions(2, 1, 1), 0),
        ({"maxUnavailable": 1}, [pod(owner=("ReplicaSet", "own"))], Disruptions(2, 1, 1), 0),
        ({"maxUnavailable": 1}, [pod(owner=("ReplicaSet", "none"))], Disruptions(0, 0, 1), 0),
        ({"maxUnavailable": 1}, [pod(owner=("StatefulSet", "db"))], Disruptions(1, 0, 1), 1),
        ({"maxUnavailable": 1}, [pod(owner=("ReplicationController", "rc"))] * 5, Disruptions(5, 4, 5), 1),
        (
            {"maxUnavailable": 1},
            [pod(owner=ALONE), pod(owner=("StatefulSet", "db"))],
            Disruptions(4, 3, 2),
            0,
        ),
        # Who has no controller is not expected by anyone.
        ({"maxUnavailable": 1}, [pod(), pod("failed")], Disruptions(0, 0, 1, unmanaged=2), 0),
        ({"minAvailable": "50%"}, [pod()] * 2, Disruptions(0, 0, 2, unmanaged=2), 0),
        ({"maxUnavailable": 1}, [pod(owner=ALONE)] * 3 + [pod()], Disruptions(3, 2, 4, unmanaged=1), 2),
        # A controller that says no number, or none that there is.
        ({"maxUnavailable": 1}, [pod(owner=ALONE), pod(owner=("DaemonSet", "d"))], UNKNOWN, 0),
        ({"maxUnavailable": 1}, [pod(owner=("ReplicaSet", "gone"))] * 2, UNKNOWN, 0),
        ({"minAvailable": "1%"}, [pod(owner=("ReplicaSet", "reborn"))] * 2, UNKNOWN, 0),
        ({"minAvailable": 1}, [pod(owner=("DaemonSet", "d"))] * 2, Disruptions(2, 1, 2), 1),
    ],
)
def test_disruptions(spec: Object, pods: list[Object], expected: Disruptions, allowed: int) -> None:
    counted = disruptions({"spec": spec}, iter(pods), find)
    assert (counted, counted.allowed) == (expected, allowed)


@pytest.mark.parametrize(
    ("state", "policy", "counted", "expected"),
    [
        ("ready", None, Disruptions(3, 2, 3), True),
        ("ready", None, Disruptions(3, 2, 2), False),
        ("ready", "AlwaysAllow", Disruptions(3, 2, 2), False),
        ("unready", None, Disruptions(3, 2, 1), False),
        ("unready", "IfHealthyBudget", Disruptions(3, 2, 1), False),
        ("unready", "AlwaysAllow", Disruptions(3, 2, 1), True),
        ("unready", None, Disruptions(3, 2, 2), True),
        ("unready", "IfHealthyBudget", Disruptions(3, 2, 2), True),
        ("unready", None, Disruptions(2, 0, 0), False),
        ("ready", None, UNKNOWN, False),
        ("unready", "IfHealthyBudget", UNKNOWN, False),
        ("unready", "AlwaysAllow", UNKNOWN, True),
        ("unready", None, Disruptions(2, 0, 1), True),
    ],
)
def test_may_evict(state: str, policy: str | None, counted: Disruptions, expected: bool) -> None:
    spec: dict[str, Any] = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    assert may_evict(pod(state), {"spec": spec}, counted) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({}, True),
        (None, False),
    ],
)
def test_covers(selector: Object | None, expected: bool) -> None:
    assert covers({"spec": {"selector": selector}}, pod()) is expected
