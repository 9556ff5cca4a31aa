"""Pods as `kubectl get pods` prints them (printPod in Kubernetes' printers)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podyard.api.times import human_duration
from podyard.apiserver.table import NONE, Cells, Object, Printer, columns
from podyard.apiserver.table.durations import seconds_of
from podyard.apiserver.table.fields import age, count, dig, is_true, items, name

_COLUMNS = columns(
    "Name | Ready | Status | Restarts | Age | IP* | Node* | Nominated Node* | Readiness Gates*"
)


@dataclass(slots=True)
class _Tally:
    """What is found out while going through the containers."""

    reason: str
    total: int = 0
    ready: int = 0
    restarts: int = 0
    last_restart: float = 0.0
    sidecar_restarts: int = 0
    sidecar_last_restart: float = 0.0


def _row(pod: Object, now: float) -> Cells:
    tally = _Tally(_first_reason(pod), total=len(items(pod, "spec", "containers")))
    initializing = _init_containers(pod, tally)
    if not initializing or is_true(pod, "Initialized"):
        _containers(pod, tally)
    restarts = str(tally.restarts)
    if tally.restarts and tally.last_restart:
        restarts += f" ({human_duration(now - tally.last_restart)} ago)"
    return [
        name(pod),
        f"{tally.ready}/{tally.total}",
        _final_reason(pod, tally.reason),
        restarts,
        age(pod, now),
        _pod_ip(pod),
        dig(pod, "spec", "nodeName") or NONE,
        dig(pod, "status", "nominatedNodeName") or NONE,
        _readiness_gates(pod),
    ]


def _first_reason(pod: Object) -> str:
    for found in items(pod, "status", "conditions"):
        if found.get("type") == "PodScheduled" and found.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    return str(dig(pod, "status", "reason") or dig(pod, "status", "phase") or "")


def _final_reason(pod: Object, reason: str) -> str:
    if not dig(pod, "metadata", "deletionTimestamp"):
        return reason
    if dig(pod, "status", "reason") == "NodeLost":
        return "Unknown"
    return reason if dig(pod, "status", "phase") in ("Succeeded", "Failed") else "Terminating"


def _init_containers(pod: Object, tally: _Tally) -> bool:
    """Count the init containers in; True while one of them holds the pod up."""
    specs = items(pod, "spec", "initContainers")
    sidecars = {spec.get("name") for spec in specs if spec.get("restartPolicy") == "Always"}
    tally.total += len(sidecars)
    for index, status in enumerate(items(pod, "status", "initContainerStatuses")):
        sidecar = status.get("name") in sidecars
        tally.restarts += count(status, "restartCount")
        tally.last_restart = max(tally.last_restart, _last_finish(status))
        if sidecar:
            tally.sidecar_restarts += count(status, "restartCount")
            tally.sidecar_last_restart = max(tally.sidecar_last_restart, _last_finish(status))
        terminated = dig(status, "state", "terminated")
        if terminated is not None and count(terminated, "exitCode") == 0:
            continue
        if sidecar and status.get("started"):
            tally.ready += bool(status.get("ready"))
            continue
        waiting = dig(status, "state", "waiting", "reason")
        if terminated is not None:
            tally.reason = "Init:" + _ending(terminated)
        elif waiting and waiting != "PodInitializing":
            tally.reason = f"Init:{waiting}"
        else:
            tally.reason = f"Init:{index}/{len(specs)}"
        return True
    return False


def _containers(pod: Object, tally: _Tally) -> None:
    tally.restarts, tally.last_restart = tally.sidecar_restarts, tally.sidecar_last_restart
    running = False
    for status in reversed(items(pod, "status", "containerStatuses")):
        tally.restarts += count(status, "restartCount")
        tally.last_restart = max(tally.last_restart, _last_finish(status))
        terminated = dig(status, "state", "terminated")
        if waiting := dig(status, "state", "waiting", "reason"):
            tally.reason = str(waiting)
        elif terminated is not None:
            tally.reason = _ending(terminated)
        elif status.get("ready") and dig(status, "state", "running") is not None:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        tally.reason = "Running" if is_true(pod, "Ready") else "NotReady"


def _ending(terminated: Mapping[str, Any]) -> str:
    if reason := terminated.get("reason"):
        return str(reason)
    if signal := terminated.get("signal"):
        return f"Signal:{signal}"
    return f"ExitCode:{count(terminated, 'exitCode')}"


def _last_finish(status: Mapping[str, Any]) -> float:
    return seconds_of(dig(status, "lastState", "terminated", "finishedAt")) or 0.0


def _pod_ip(pod: Object) -> str:
    addresses = items(pod, "status", "podIPs")
    if addresses:
        return str(addresses[0].get("ip") or NONE)
    return str(dig(pod, "status", "podIP") or NONE)


def _readiness_gates(pod: Object) -> str:
    gates = items(pod, "spec", "readinessGates")
    if not gates:
        return NONE
    return f"{sum(is_true(pod, gate.get('conditionType', '')) for gate in gates)}/{len(gates)}"


def _conditions(pod: Object) -> list[dict[str, str]]:
    phase = dig(pod, "status", "phase")
    if phase not in ("Succeeded", "Failed"):
        return []
    how = "has completed successfully" if phase == "Succeeded" else "failed"
    return [{"type": "Completed", "status": "True", "reason": phase, "message": f"The pod {how}."}]


PRINTERS = {("", "pods"): Printer(_COLUMNS, _row, _conditions)}
