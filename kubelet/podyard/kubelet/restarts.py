"""When a pod's containers may be started, and what keeps them from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podyard.kubelet.backoff import Backoff
from podyard.kubelet.durations import go_duration
from podyard.kubelet.observed import Observed
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.pulling import StartFailure
from podyard.kubelet.runtime import ContainerState
from podyard.kubelet.spec import all_containers, container_hash, pod_name
from podyard.kubelet.status import Problem
from podyard.process.clock import Clock

Object = dict[str, Any]


MAX_RETRY_SECONDS = 10.0
"""The longest wait before an incomplete configuration is looked at again; the first is 1 s."""


class Restarts:
    """The back-off of the containers of one pod (kuberuntime doBackOff), and their start failures."""

    def __init__(self, uid: str, backoff: Backoff, clock: Clock) -> None:
        self._uid = uid
        self._backoff = backoff
        self._clock = clock
        self._problems: dict[str, Problem] = {}
        self._retry_at: dict[str, float] = {}
        self._retry_delay: dict[str, float] = {}
        self._killed: set[str] = set()
        self._told: dict[str, float] = {}  # container name → the end whose back-off was reported

    def waits(self, pod: Object, observed: Observed) -> dict[str, float]:
        """Seconds that each container must wait before it may be started, if any."""
        now = self._clock.now()
        waits: dict[str, float] = {}
        for container in all_containers(pod):
            name = container["name"]
            status = observed.latest(name)
            wait = self._retry_at.get(name, 0.0) - now
            if (failed_at := self._failed_at(name, observed)) and status is not None:
                key = self._key(container)
                self._backoff.restore(key, status.attempt, status.started_at or status.created_at)
                wait = max(wait, self._backoff.remaining(key, failed_at, now))
            if wait > 0:
                waits[name] = wait
        return waits

    def starting(self, container: Object, observed: Observed) -> None:
        """The container is started now; when it had ended before, the next time waits longer."""
        if failed_at := self._failed_at(container["name"], observed):
            self._backoff.grow(self._key(container), failed_at, self._clock.now())

    def killed(self, container_id: str) -> None:
        """The kubelet itself ends this instance, to start the container anew."""
        self._killed.add(container_id)

    def _failed_at(self, name: str, observed: Observed) -> float | None:
        """When the container last ended by itself; None when there is nothing to wait for.

        For one that the kubelet ended it is the end of the instance before, as in Kubernetes, where
        the back-off of a probe's victim is looked up before it is killed.
        """
        status = observed.latest(name)
        if status is not None and status.id in self._killed:
            status = observed.previous(name)
        return status.finished_at if status and status.state == ContainerState.EXITED else None

    def failed(self, name: str, failure: StartFailure) -> None:
        """The container could not be started."""
        self._problems[name] = failure.problem
        delay = failure.retry_seconds
        if delay is None:
            delay = self._retry_delay[name] = min(self._retry_delay.get(name, 0.5) * 2, MAX_RETRY_SECONDS)
        self._retry_at[name] = self._clock.now() + delay

    def succeeded(self, name: str) -> None:
        """The container has been started."""
        self._problems.pop(name, None)
        self._retry_at.pop(name, None)
        self._retry_delay.pop(name, None)

    def problems(
        self, pod: Object, observed: Observed, backing_off: Iterable[str], events: PodEvents
    ) -> Mapping[str, Problem]:
        """Why containers wait, for the status; each wait for a crashed one is told once in an Event."""
        problems = dict(self._problems)
        now = self._clock.now()
        for container in all_containers(pod):
            name = container["name"]
            status = observed.latest(name)
            if name not in backing_off or status is None or self._retry_at.get(name, 0.0) > now:
                continue
            delay = go_duration(self._backoff.delay(self._key(container)))
            message = f"back-off {delay} restarting failed container={name} pod={pod_name(pod)}"
            problems[name] = Problem("CrashLoopBackOff", message)
            if self._told.get(name) != status.finished_at:
                self._told[name] = status.finished_at
                text = f"Back-off restarting failed container {name} in pod {pod_name(pod)}"
                events.warning("BackOff", text, name)
        return problems

    def _key(self, container: Object) -> tuple[str, str, str]:
        return self._uid, container["name"], container_hash(container)
