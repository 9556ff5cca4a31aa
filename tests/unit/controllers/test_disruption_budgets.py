"""The status of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.api.disruption import Disruptions
from podyard.api.resources import EVENTS, PODDISRUPTIONBUDGETS, PODS, REPLICASETS
from podyard.controllers.disruption_budgets import budget_status
from tests.unit.controllers.control_plane import ControlPlane, control_plane
from tests.unit.controllers.objects import NOW, Object, replica_set


def budget(**status: object) -> Object:
    return {
        "metadata": {"name": "web", "namespace": "default", "generation": 3},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": status,
    }


def test_budget_status() -> None:
    status = budget_status(budget(), Disruptions(3, 2, 3), NOW)
    condition = {
        "type": "DisruptionAllowed",
        "status": "True",
        "observedGeneration": 3,
        "lastTransitionTime": "2027-01-15T08:00:00Z",
        "reason": "SufficientPods",
        "message": "",
    }
    assert status == {
        "observedGeneration": 3,
        "disruptionsAllowed": 1,
        "currentHealthy": 3,
        "desiredHealthy": 2,
        "expectedPods": 3,
        "conditions": [condition],
    }
    assert budget_status(budget(**status), Disruptions(3, 2, 3), NOW + 60) == status, "nothing has changed"
    later = budget_status(budget(**status), Disruptions(3, 2, 2), NOW + 60)
    assert later["conditions"] == [
        {
            **condition,
            "status": "False",
            "lastTransitionTime": "2027-01-15T08:01:00Z",
            "reason": "InsufficientPods",
        }
    ]


def test_conditions_of_others_stay() -> None:
    other = {"type": "Other", "status": "True"}
    status = budget_status(budget(conditions=[other]), Disruptions(3, 2, 3), NOW)
    assert [c["type"] for c in status["conditions"]] == ["Other", "DisruptionAllowed"]


def test_a_budget_that_cannot_be_worked_out_lets_nothing_go() -> None:
    before = budget_status(budget(), Disruptions(3, 2, 3), NOW)
    status = budget_status(budget(**before), Disruptions(0, 0, 3, failure="why"), NOW + 60)
    condition = {
        **before["conditions"][0],
        "status": "False",
        "lastTransitionTime": "2027-01-15T08:01:00Z",
        "reason": "SyncFailed",
        "message": "why",
    }
    assert status == {**before, "disruptionsAllowed": 0, "conditions": [condition]}
    assert budget_status(budget(), Disruptions(0, 0, 3, failure="why"), NOW)["expectedPods"] == 0


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with control_plane(tmp_path) as started:
        yield started


async def test_a_budget_follows_its_pods_and_their_owner(plane: ControlPlane) -> None:
    async def reaches(*wanted: int) -> None:
        """expected, desired and healthy pods, and disruptions allowed."""
        keys = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")

        def there(budgets: list[Object]) -> bool:
            return [tuple(b.get("status", {}).get(key) for key in keys) for b in budgets] == [wanted]

        await plane.until(PODDISRUPTIONBUDGETS, there)

    made = await plane.client.create(PODDISRUPTIONBUDGETS, budget())
    assert made["metadata"]["generation"] == 1
    await reaches(0, 0, 0, 0)
    await plane.client.create(REPLICASETS, replica_set(3))
    await reaches(3, 2, 3, 1)
    patch = {"spec": {"maxUnavailable": 2}}
    await plane.client.patch(PODDISRUPTIONBUDGETS, "web", "default", patch)
    await reaches(3, 1, 3, 2)
    (found,) = plane.all(PODDISRUPTIONBUDGETS)
    assert found["status"]["observedGeneration"] == 2
    for name in list(plane.alive):  # no kubelet starts or ends a pod any more
        plane.alive.discard(name)
    await plane.client.patch(REPLICASETS, "web", "default", {"spec": {"replicas": 5}})
    await reaches(5, 3, 3, 0)


async def test_what_users_hear_of_a_budget(plane: ControlPlane) -> None:
    async def hears(*events: tuple[str, str, str]) -> None:
        def there(found: list[Object]) -> bool:
            return sorted(events) == sorted(
                (e["type"], e["reason"], e["message"])
                for e in found
                if e["involvedObject"]["kind"] == "PodDisruptionBudget"
            )

        await plane.until(EVENTS, there)

    nobody = ("Normal", "NoPods", "No matching pods found")
    await plane.client.create(PODDISRUPTIONBUDGETS, budget())
    await hears(nobody)
    bare: Object = {"metadata": {"name": "bare", "namespace": "default", "labels": {"app": "web"}}}
    bare["spec"] = {"containers": [{"name": "c", "image": "i"}]}
    await plane.client.create(PODS, bare)
    unmanaged = (
        "Warning",
        "UnmanagedPods",
        "Selected pods (selector: app=web) have no controller that says how many are expected, "
        'so the budget does not count them; an integer in ".spec.minAvailable" does',
    )
    await hears(nobody, unmanaged)
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "1", "controller": True}
    await plane.client.patch(PODS, "bare", "default", {"metadata": {"ownerReferences": [owner]}})
    failed = (
        "Warning",
        "CalculateExpectedPodCountFailed",
        'Failed to calculate the number of expected pods: found no controllers for pod "bare"',
    )
    await hears(nobody, unmanaged, failed)
