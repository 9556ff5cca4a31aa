"""Pods that wait for a node: by priority, and apart from those that no node can take for now."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass

from podyard.process.clock import Clock
from podyard.scheduler.nodes import Object

FIRST_BACKOFF_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 10.0


@dataclass(slots=True)
class _Waiting:
    pod: Object
    number: int  # order of arrival
    attempts: int = 0
    failed_at: float = 0.0
    state: str = "active"  # active | backoff | unschedulable | taken


class SchedulingQueue:
    """The queue; a pod is in it from when it is first seen until `remove`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}  # by uid
        self._heap: list[tuple[int, int, str]] = []  # (-priority, arrival, uid); may hold stale entries
        self._arrivals = 0
        self._wakeup = asyncio.Event()

    def count(self, state: str) -> int:
        """How many pods are active, in back-off ("backoff") or unschedulable."""
        return sum(found.state == state for found in self._waiting.values())

    def add(self, pod: Object) -> None:
        """A pod that has to be scheduled, or a newer state of one that waits already."""
        uid = pod["metadata"]["uid"]
        known = self._waiting.get(uid)
        if known is None:
            self._arrivals += 1
            known = self._waiting[uid] = _Waiting(pod, self._arrivals)
            self._activate(uid, known)
            return
        before, known.pod = known.pod, pod
        if known.state == "unschedulable" and _differs(before, pod):
            self._activate(uid, known)

    def remove(self, uid: str) -> None:
        """The pod is bound or gone."""
        self._waiting.pop(uid, None)

    async def pop(self) -> Object:
        """The next pod to schedule: highest priority first, then the one that has waited longest.

        Afterwards call `remove`, `failed` or `retry`.
        """
        while True:
            while self._heap:
                _, _, uid = heapq.heappop(self._heap)
                found = self._waiting.get(uid)
                if found is not None and found.state == "active":
                    found.state = "taken"
                    return found.pod
            self._wakeup.clear()
            await self._wakeup.wait()

    def failed(self, uid: str) -> None:
        """No node can take the pod: it waits for `cluster_changed`."""
        found = self._waiting.get(uid)
        if found is not None:
            found.attempts += 1
            found.failed_at = self._clock.now()
            found.state = "unschedulable"

    def retry(self, uid: str) -> None:
        """Something else went wrong: try again after the back-off."""
        self.failed(uid)
        found = self._waiting.get(uid)
        if found is not None:
            self._wake(uid, found)

    def cluster_changed(self) -> None:
        """Nodes or pods have changed: what no node could take may fit now."""
        for uid, found in self._waiting.items():
            if found.state == "unschedulable":
                self._wake(uid, found)

    def _wake(self, uid: str, found: _Waiting) -> None:
        delay = min(FIRST_BACKOFF_SECONDS * 2 ** min(found.attempts - 1, 20), MAX_BACKOFF_SECONDS)
        left = found.failed_at + delay - self._clock.now()
        if left <= 0:
            self._activate(uid, found)
            return
        found.state = "backoff"
        self._clock.call_later(left, lambda: self._backoff_over(uid))

    def _backoff_over(self, uid: str) -> None:
        found = self._waiting.get(uid)
        if found is not None and found.state == "backoff":
            self._activate(uid, found)

    def _activate(self, uid: str, found: _Waiting) -> None:
        found.state = "active"
        priority = found.pod["spec"].get("priority") or 0
        heapq.heappush(self._heap, (-priority, found.number, uid))
        self._wakeup.set()


def _differs(a: Object, b: Object) -> bool:
    """Whether anything changed that scheduling looks at; a status does not count."""
    return bool(a["spec"] != b["spec"] or a["metadata"].get("labels") != b["metadata"].get("labels"))
