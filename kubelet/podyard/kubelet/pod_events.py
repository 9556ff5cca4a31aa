"""Events about a pod and its containers, as the kubelet words them."""

from __future__ import annotations

from typing import Any, Protocol

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

    def _record(self, type_: str, reason: str, message: str, container: str) -> None:
        about = {"apiVersion": "v1", "kind": "Pod", **self.pod}
        path = field_path(self.pod, container) if container else ""
        self._recorder.event(about, type_, reason, message, field_path=path)
