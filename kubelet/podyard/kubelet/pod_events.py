"""Events about a pod and its containers, as the kubelet words them."""

from __future__ import annotations

from typing import Any, Protocol

from podyard.kubelet.probes import ProbeKind, ProbeResult
from podyard.kubelet.spec import field_path

Object = dict[str, Any]


class Recorder(Protocol):
    """What `podyard.client.events.EventRecorder` does."""

    def event(self, about: Object, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record one event in the background."""


class PodEvents:
    """Records Events about one pod; `pod` is its latest object."""

    def __init__(self, recorder: Recorder, pod: Object) -> None:
        self._recorder = recorder
        self.pod = pod

    def normal(self, reason: str, message: str, container: str = "") -> None:
        """Something that is as it should be. `container` names the part of the pod that it is about."""
        self._record("Normal", reason, message, container)

    def warning(self, reason: str, message: str, container: str = "") -> None:
        """Something that users should look at."""
        self._record("Warning", reason, message, container)

    def probed(self, container: str, kind: ProbeKind, result: ProbeResult) -> None:
        """A probe did not simply succeed."""
        if result.outcome == "warning":
            self.warning("ProbeWarning", f"{kind} probe warning: {result.output}", container)
        elif result.outcome == "unknown":
            text = f"{kind} probe errored and resulted in unknown state: {result.output}"
            self.warning("Unhealthy", text, container)
        else:
            self.warning("Unhealthy", f"{kind} probe failed: {result.output}", container)

    def _record(self, type_: str, reason: str, message: str, container: str) -> None:
        about = {"apiVersion": "v1", "kind": "Pod", **self.pod}
        path = field_path(self.pod, container) if container else ""
        self._recorder.event(about, type_, reason, message, field_path=path)
