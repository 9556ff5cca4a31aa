"""All that is known of one pod just now; the parts of its worker share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podyard.kubelet.conditions import OWN_CONDITIONS
from podyard.kubelet.observed import Observed
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.restarts import Restarts
from podyard.kubelet.runtime import ContainerState
from podyard.kubelet.status import RUNTIME_PREFIX, Problem

Object = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class PodState:
    """One pod. `pod` is its latest object; `gone` once that is deleted.

    `problems` says why containers wait; `held` names those whose postStart hook is not done.
    """

    context: PodContext
    pod: Object
    events: PodEvents
    restarts: Restarts
    gone: bool = False
    observed: Observed = field(default_factory=Observed)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.pod["metadata"]["uid"])

    def ips(self) -> tuple[str, ...]:
        """The pod's addresses; none before it has a sandbox."""
        sandbox = self.observed.sandbox
        return (sandbox.config.ip,) if sandbox else ()

    def with_last_status(self) -> Object:
        """The pod with the status that was computed last, which the apiserver may not have yet."""
        last = self.context.statuses.get(self.uid)
        if last is None:
            return self.pod
        current = self.pod.get("status") or {}
        others = [c for c in current.get("conditions") or () if c["type"] not in OWN_CONDITIONS]
        own = [c for c in last["conditions"] if c["type"] in OWN_CONDITIONS]
        return {**self.pod, "status": {**current, **last, "conditions": [*own, *others]}}

    def next_attempt(self, name: str) -> int:
        """The number of a container's next instance; the runtime's records come before the pod's status."""
        latest = self.observed.latest(name)
        if latest is not None:
            return latest.attempt + (latest.state != ContainerState.CREATED)
        for status in container_statuses(self.with_last_status()):
            if status["name"] == name:
                return int(status.get("restartCount") or 0) + ("terminated" in status.get("state", {}))
        return 0


def container_statuses(pod: Object) -> list[Object]:
    """The statuses of init containers and regular ones."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def probed_before(pod: Object) -> dict[str, tuple[bool, bool]]:
    """By container id, whether an earlier kubelet has found a container started, and ready."""
    return {
        status["containerID"].removeprefix(RUNTIME_PREFIX): (
            bool(status.get("started")),
            bool(status["ready"]),
        )
        for status in container_statuses(pod)
        if status.get("containerID")
    }
