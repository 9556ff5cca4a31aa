"""A pod's conditions (pkg/kubelet/status/generate.go). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podyard.kubelet.spec import containers, init_containers, is_sidecar

Object = dict[str, Any]

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
"""What the kubelet itself finds out; others, such as readiness gates, belong to others."""


def make_conditions(
    pod: Object,
    phase: str,
    sandbox_ready: bool,
    statuses: Mapping[str, Object],
    old: Iterable[Object],
    now: str,
) -> list[Object]:
    """The kubelet's conditions and PodScheduled. `statuses` are ContainerStatuses by container name.

    One whose status stays as in `old` keeps its lastTransitionTime. `now` is RFC 3339.
    """
    known = {condition["type"]: condition for condition in old}
    containers_ready = _containers_ready(pod, phase, statuses)
    wanted = [
        _condition("PodReadyToStartContainers", sandbox_ready),
        _initialized(pod, phase, statuses),
        _ready(pod, containers_ready, known),
        containers_ready,
        _condition("PodScheduled", True),
    ]
    generation = pod["metadata"].get("generation")
    for condition in wanted:
        if generation is not None:
            condition["observedGeneration"] = generation
        previous = known.get(condition["type"], {})
        same = previous.get("status") == condition["status"] and previous.get("lastTransitionTime")
        condition["lastProbeTime"] = None
        condition["lastTransitionTime"] = previous["lastTransitionTime"] if same else now
    return wanted


def _condition(type_: str, good: bool, reason: str = "", message: str = "") -> Object:
    condition = {"type": type_, "status": "True" if good else "False"}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _listed(what: str, names: list[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"


def _containers_ready(pod: Object, phase: str, statuses: Mapping[str, Object]) -> Object:
    if phase == "Succeeded":
        return _condition("ContainersReady", False, "PodCompleted")
    if phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    wanted = [*(c for c in init_containers(pod) if is_sidecar(c)), *containers(pod)]
    unknown = [c["name"] for c in wanted if c["name"] not in statuses]
    unready = [c["name"] for c in wanted if c["name"] in statuses and not statuses[c["name"]]["ready"]]
    messages = [_listed(what, names) for what, names in (("unknown", unknown), ("unready", unready)) if names]
    if messages:
        return _condition("ContainersReady", False, "ContainersNotReady", ", ".join(messages))
    return _condition("ContainersReady", True)


def _ready(pod: Object, containers_ready: Object, known: Mapping[str, Object]) -> Object:
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": "Ready"}
    messages = []
    for gate in pod["spec"].get("readinessGates") or ():
        type_ = gate["conditionType"]
        if type_ not in known:
            messages.append(f'corresponding condition of pod readiness gate "{type_}" does not exist.')
        elif (status := known[type_].get("status")) != "True":
            messages.append(f'the status of pod readiness gate "{type_}" is not "True", but {status}')
    if messages:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(messages))
    return _condition("Ready", True)


def _initialized(pod: Object, phase: str, statuses: Mapping[str, Object]) -> Object:
    wanted = init_containers(pod)
    unknown = [c["name"] for c in wanted if c["name"] not in statuses]
    if phase == "Succeeded" and not unknown:
        return _condition("Initialized", True, "PodCompleted")
    regular = (statuses.get(c["name"], {}) for c in containers(pod))
    if any(
        "running" in s.get("state", {}) or "terminated" in s.get("state", {}) or s.get("lastState")
        for s in regular
    ):
        return _condition("Initialized", True)
    incomplete = [
        c["name"] for c in wanted if c["name"] in statuses and not _complete(c, statuses[c["name"]])
    ]
    messages = [
        _listed(what, names) for what, names in (("unknown", unknown), ("incomplete", incomplete)) if names
    ]
    if messages:
        return _condition("Initialized", False, "ContainersNotInitialized", ", ".join(messages))
    return _condition("Initialized", True)


def _complete(container: Object, status: Object) -> bool:
    return bool(status.get("started") if is_sidecar(container) else status["ready"])
