"""The disruption controller: says in a PodDisruptionBudget's status how many pods may go.

Source: kubernetes pkg/controller/disruption/disruption.go. Evictions do not rely on it: the apiserver works
the same out from the pods themselves.
"""

from __future__ import annotations

import asyncio

from podyard.api.disruption import SCALED, Disruptions, covers, disruptions
from podyard.api.objects import find_condition
from podyard.api.resources import PODDISRUPTIONBUDGETS, PODS
from podyard.api.selectors import from_label_selector
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, all_synced, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.meta import Object, status_of
from podyard.process.clock import Clock

ALLOWED = "DisruptionAllowed"
_NO_PODS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


def budget_status(budget: Object, counted: Disruptions, now: float) -> Object:
    """The status of a budget that amounts to this; conditions of others stay.

    Of a budget that cannot be worked out only that is new: nothing may go.
    """
    old = {**_NO_PODS, **status_of(budget)}
    if counted.failure:
        new = {**old, "disruptionsAllowed": 0}
        state, reason = "False", "SyncFailed"
    else:
        new = {
            **old,
            "observedGeneration": budget["metadata"].get("generation", 0),
            "disruptionsAllowed": counted.allowed,
            "currentHealthy": counted.healthy,
            "desiredHealthy": counted.desired,
            "expectedPods": counted.expected,
        }
        state, reason = ("True", "SufficientPods") if counted.allowed else ("False", "InsufficientPods")
    current = find_condition(old.get("conditions"), ALLOWED)
    since = current["lastTransitionTime"] if current and current["status"] == state else to_rfc3339(now)
    condition = {
        "type": ALLOWED,
        "status": state,
        "observedGeneration": new.get("observedGeneration", 0),
        "lastTransitionTime": since,
        "reason": reason,
        "message": counted.failure,
    }
    others = [c for c in old.get("conditions") or () if c["type"] != ALLOWED]
    return {**new, "conditions": [*others, condition]}


def news(budget: Object, pods: int, counted: Disruptions) -> list[tuple[str, str, str]]:
    """What users should hear of a budget that covers so many pods: type, reason and message of Events."""
    events = []
    if not pods:
        events.append(("Normal", "NoPods", "No matching pods found"))
    if counted.failure:
        text = f"Failed to calculate the number of expected pods: {counted.failure}"
        events.append(("Warning", "CalculateExpectedPodCountFailed", text))
    if counted.unmanaged:
        selector = from_label_selector(budget["spec"].get("selector"))
        text = (
            f"Selected pods (selector: {selector}) have no controller that says how many are expected, "
            'so the budget does not count them; an integer in ".spec.minAvailable" does'
        )
        events.append(("Warning", "UnmanagedPods", text))
    return events


class DisruptionController:
    """Looks at a budget again when one of its pods changes, or how many its namespace's owners ask for."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._events = EventRecorder(client, "controllermanager")
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
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(run_workers("disruption-controller", self._queue, self.sync))

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
        counted = disruptions(budget, covered, self._owner)
        status = budget_status(budget, counted, self._clock.now())
        if status != status_of(budget):
            updated = await self._client.update(
                PODDISRUPTIONBUDGETS, {**budget, "status": status}, subresource="status"
            )
            await self._budgets.saw(updated)
            for event in news(budget, len(covered), counted):
                self._events.event(budget, *event)

    def _owner(self, group_resource: str, namespace: str, name: str) -> Object | None:
        return self._owners[group_resource].get(namespace, name)
