"""A Deployment, its ReplicaSets and their pods as numbers, moved by the real `plan`."""

from __future__ import annotations

import copy
from typing import Any

from podyard.api.times import to_rfc3339
from podyard.controllers.deployment.plan import Plan, plan
from podyard.controllers.deployment.sizes import size
from tests.unit.controllers.objects import NOW, Object, deployment


class Rollout:
    """Syncs a Deployment; pods come and become available only when a test says so."""

    def __init__(self, **spec: Any) -> None:
        self.deployment = deployment(**spec)
        self.sets: dict[str, Object] = {}
        self.now = NOW
        self.events: list[str] = []

    def change(self, **spec: Any) -> None:
        """Edit the Deployment's spec."""
        self.deployment = {**self.deployment, "spec": {**self.deployment["spec"], **spec}}
        metadata = self.deployment["metadata"]
        self.deployment["metadata"] = {**metadata, "generation": metadata["generation"] + 1}

    def sync(self) -> Plan:
        """One sync."""
        before = copy.deepcopy((self.deployment, self.sets))
        todo = plan(self.deployment, list(self.sets.values()), {}, self.now)
        assert (self.deployment, self.sets) == before, "plan changed what it was given"
        for rs in [todo.create] if todo.create else []:
            self.now += 1
            metadata = {
                **rs["metadata"],
                "uid": f"uid-{rs['metadata']['name']}",
                "creationTimestamp": to_rfc3339(self.now),
            }
            self.sets[rs["metadata"]["name"]] = {**rs, "metadata": metadata, "status": {"replicas": 0}}
        for rs in todo.update:
            self.sets[rs["metadata"]["name"]] = rs
        for rs in todo.delete:
            del self.sets[rs["metadata"]["name"]]
        if todo.revision:
            metadata = self.deployment["metadata"]
            annotations = {
                **metadata.get("annotations", {}),
                "deployment.kubernetes.io/revision": todo.revision,
            }
            self.deployment = {**self.deployment, "metadata": {**metadata, "annotations": annotations}}
        self.deployment = {**self.deployment, "status": todo.status}
        self.events += [message for _, _, message in todo.events]
        return todo

    def pods_follow(self, available: bool = True) -> None:
        """Every ReplicaSet gets its pods, available or not."""
        for name, rs in self.sets.items():
            count = size(rs)
            old = (rs.get("status") or {}).get("availableReplicas", 0)
            usable = count if available else min(old, count)
            status = {"replicas": count, "readyReplicas": usable, "availableReplicas": usable}
            self.sets[name] = {**rs, "status": status}

    def settle(self, available: bool = True) -> list[dict[str, int]]:
        """Sync until nothing changes; give the sizes after each sync."""
        history = []
        for _ in range(200):
            before = (self.deployment, dict(self.sets))
            self.sync()
            self.pods_follow(available)
            history.append(self.sizes)
            if (self.deployment, self.sets) == before:
                return history
        raise AssertionError(f"never settles: {history[-5:]}")

    @property
    def sizes(self) -> dict[str, int]:
        """spec.replicas by ReplicaSet name."""
        return {name: size(rs) for name, rs in self.sets.items()}

    def condition(self, type_: str) -> tuple[str, str, str]:
        """(status, reason, message) of a condition."""
        found = next(c for c in self.deployment["status"]["conditions"] if c["type"] == type_)
        return found["status"], found["reason"], found["message"]

    def conditions(self) -> set[str]:
        """The types of the conditions there are."""
        return {c["type"] for c in self.deployment["status"]["conditions"]}

    def revisions(self) -> list[str]:
        """The revision of each ReplicaSet, sorted."""
        return sorted(
            rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for rs in self.sets.values()
        )
