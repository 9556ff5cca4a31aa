"""The disruption controller: says in a PodDisruptionBudget's status how many pods may go.

Source: kubernetes pkg/controller/disruption/disruption.go. Evictions do not rely on it: the apiserver works
the same out from the pods themselves.
"""

from __future__ import annotations

from podyard.api.disruption import SCALED, Disruptions, covers, disruptions
from podyard.api.objects import find_condition
from podyard.api.resources import PODDISRUPTIONBUDGETS, PODS
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, all_synced, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.meta import Object, status_of
from podyard.process.clock import Clock

ALLOWED = "DisruptionAllowed"


def budget_status(budget: Object, counted: Disruptions, now: float) -> Object:
    """The status of a budget that amounts to this; conditions of others stay."""
    old = status_of(budget)
    generation = budget["metadata"].get("generation", 0)
    state, reason = ("True", "SufficientPods") if counted.allowed else ("False", "InsufficientPods")
    current = find_condition(old.get("conditions"), ALLOWED)
    since = current["lastTransitionTime"] if current and current["status"] == state else to_rfc3339(now)
    condition = {
        "type": ALLOWED,
        "status": state,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": reason,
        "message": "",
    }
    others = [c for c in old.get("conditions") or () if c["type"] != ALLOWED]
    return {
        **old,
        "observedGeneration": generation,
        "disruptionsAllowed": counted.allowed,
        "currentHealthy": counted.healthy,
        "desiredHealthy": counted.desired,
        "expectedPods": counted.expected,
        "conditions": [*others, condition],
    }


class DisruptionController:
    """Looks at a budget again when one of its pods changes, or how many its namespace's owners ask for."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._budgets = informers.informer(PODDISRUPTIONBUDGETS)
        self._pods = informers.informer(PODS)
        self._owners = {resource.group_resource: informers.informer(resource) for resource in SCALED}
        self._budgets.add_handler(self._budget_changed)
        self._pods.add_handler(self._pod_changed)
        for owners in self._owners.values():
            owners.add_handler(self._owner_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await all_synced(self._budgets, self._pods, *self._owners.values())
        await run_workers("disruption-controller", self._queue, self.sync)

    def _budget_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for budget in self._budgets.list((new or old or {})["metadata"]["namespace"]):
            if any(pod and covers(budget, pod) for pod in (old, new)):
                self._queue.add(key_of(budget))

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        if old and new and old["spec"].get("replicas") == new["spec"].get("replicas"):
            return
        for budget in self._budgets.list((new or old or {})["metadata"]["namespace"]):
            self._queue.add(key_of(budget))

    async def sync(self, key: Key) -> None:
        """Bring the status of one budget up to date."""
        budget = self._budgets.get(*key)
        if budget is None:
            return
        covered = [pod for pod in self._pods.list(key[0]) if covers(budget, pod)]
        status = budget_status(budget, disruptions(budget, covered, self._owner), self._clock.now())
        if status != status_of(budget):
            updated = await self._client.update(
                PODDISRUPTIONBUDGETS, {**budget, "status": status}, subresource="status"
            )
            await self._budgets.saw(updated)

    def _owner(self, group_resource: str, namespace: str, name: str) -> Object | None:
        return self._owners[group_resource].get(namespace, name)
