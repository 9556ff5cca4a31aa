"""The status of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.api.disruption import Disruptions
from podyard.api.resources import PODDISRUPTIONBUDGETS, REPLICASETS
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
