"""Tells the apiserver how one pod is."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.ending import EndingSteps
from podyard.kubelet.logs import last_words
from podyard.kubelet.pod_state import PodState
from podyard.kubelet.probes.worker import PodProbes
from podyard.kubelet.runtime import ContainerStatus
from podyard.kubelet.spec import find_container
from podyard.kubelet.status import View, make_status

Object = dict[str, Any]

MESSAGE_LINES, MESSAGE_BYTES = 80, 2048  # of a termination message that is taken from the log


class PodReporter:
    """Makes the pod's status of what is known, and hands it to the status manager."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._messages: dict[str, str] = {}  # container id → the end of its log

    def last_words(self, status: ContainerStatus) -> str:
        """The end of a failed container's log, if its terminationMessagePolicy asks for it."""
        container = find_container(self._state.pod, status.name) or {}
        if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        if status.id not in self._messages:
            self._messages[status.id] = last_words(status.log_path, MESSAGE_LINES, MESSAGE_BYTES)
        return self._messages[status.id]

    def publish(self, probes: PodProbes, ending: EndingSteps | None) -> None:
        """Say how the pod is now; the last time is when all of it has ended."""
        state = self._state
        statuses = state.context.statuses
        if state.gone:
            return
        if ending is None:
            statuses.set(state.pod, self._status(probes, None))
            return
        if ending.final_status is not None:
            statuses.set(state.pod, ending.final_status, sent=ending.status_sent)
            return
        status = self._status(probes, ending)
        if ending.stopped:
            ending.final_status = status
            statuses.set(state.pod, status, sent=ending.status_sent)
        else:
            statuses.set(state.pod, status)

    def _status(self, probes: PodProbes, ending: EndingSteps | None) -> Object:
        state = self._state
        view = View(
            now=state.context.clock.now(),
            pod_ips=state.ips(),
            host_ips=(state.context.node_ip,),
            problems={} if ending else state.problems,
            held=frozenset(state.held),
            started=probes.started(),
            ready=probes.ready(),
            ended=ending is not None and ending.stopped,
            phase=ending.wanted.phase if ending else "",
            reason=ending.wanted.reason if ending else "",
            message=ending.wanted.message if ending else "",
        )
        return make_status(state.with_last_status(), state.observed, view)
