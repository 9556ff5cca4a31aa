"""A pod's status: (pod, observed, view) → PodStatus (kubelet_pods.go generateAPIPodStatus). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podyard.api.times import to_rfc3339
from podyard.kubelet.conditions import make_conditions
from podyard.kubelet.observed import Observed
from podyard.kubelet.runtime import ContainerState, ContainerStatus
from podyard.kubelet.spec import (
    TERMINAL_PHASES,
    containers,
    init_containers,
    is_sidecar,
    restart_policy,
    restarts_after,
)

Object = dict[str, Any]

RUNTIME_PREFIX = "podyard://"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a container waits: a reason such as "ImagePullBackOff", and a text."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the status shows beside the runtime's lists.

    `problems` are by container name; `held` names containers whose postStart hook is not done.
    `started` and `ready` are the probes' findings by container id. `ended`: nothing of the pod runs
    any more, nor will. `phase`, `reason` and `message` are set when they are settled, whatever the
    containers do (DeadlineExceeded). `now` is in seconds since the epoch.
    """

    now: float
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    problems: Mapping[str, Problem] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    started: Mapping[str, bool] = field(default_factory=dict)
    ready: Mapping[str, bool] = field(default_factory=dict)
    ended: bool = False
    phase: str = ""
    reason: str = ""
    message: str = ""


def make_status(pod: Object, observed: Observed, view: View) -> Object:
    """The whole status of the pod, from what the kubelet knows; what others keep in it stays."""
    old = pod.get("status") or {}
    now = to_rfc3339(view.now)
    init = [_container_status(pod, c, observed, view, init=True) for c in init_containers(pod)]
    regular = [_container_status(pod, c, observed, view, init=False) for c in containers(pod)]
    by_name = {status["name"]: status for status in (*init, *regular)}
    phase = view.phase or pod_phase(pod, by_name, ended=view.ended)
    settled = view.ended or phase not in TERMINAL_PHASES or old.get("phase") in TERMINAL_PHASES
    if not settled:  # something of it may still run: nobody may take its place yet
        phase = old.get("phase") or "Pending"
    status: Object = {
        "phase": phase,
        "conditions": make_conditions(
            pod, phase, observed.ready_sandbox is not None, by_name, old.get("conditions") or (), now
        ),
        "startTime": old.get("startTime") or now,
        "containerStatuses": regular,
    }
    if init:
        status["initContainerStatuses"] = init
    if "generation" in pod["metadata"]:
        status["observedGeneration"] = pod["metadata"]["generation"]
    if view.host_ips:
        status["hostIP"] = view.host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in view.host_ips]
    if view.pod_ips:
        status["podIP"] = view.pod_ips[0]
        status["podIPs"] = [{"ip": ip} for ip in view.pod_ips]
    if settled and view.reason:
        status |= {"reason": view.reason, "message": view.message}
    return status


def _container_status(
    pod: Object, container: Object, observed: Observed, view: View, *, init: bool
) -> Object:
    name = container["name"]
    status = observed.latest(name)
    created = status is not None and (status.state == ContainerState.CREATED or name in view.held)
    if status is None or (created and status.attempt == 0):
        return _without_instance(pod, container, view)
    result = _identity(container, status)
    problem = view.problems.get(name)
    if created:
        result["state"] = {"waiting": _waiting(pod, problem)}
    elif status.state == ContainerState.RUNNING:
        result["state"] = {"running": {"startedAt": to_rfc3339(status.started_at)}}
        result["started"] = view.started.get(status.id, False)
        result["ready"] = view.ready.get(status.id, False) and (not init or is_sidecar(container))
    else:
        result["state"] = {"terminated": terminated(status)}
        if init:
            result["ready"] = status.exit_code == 0 and not is_sidecar(container)
    if before := observed.previous(name):
        result["lastState"] = {"terminated": terminated(before)}
    elif status.attempt > 0:
        result["lastState"] = _old_status(pod, name).get("lastState") or {}
    ended = status.state == ContainerState.EXITED
    again = ended and not view.ended and restarts_after(pod, container, status.exit_code, init=init)
    if again and problem is not None:
        result["lastState"] = result["state"]
        result["state"] = {"waiting": _waiting(pod, problem)}
    return result


def _identity(container: Object, status: ContainerStatus) -> Object:
    return {
        "name": container["name"],
        "image": status.image,
        "imageID": status.image_id,
        "containerID": RUNTIME_PREFIX + status.id,
        "restartCount": status.attempt,
        "ready": False,
        "started": False,
        "lastState": {},
    }


def _old_status(pod: Object, name: str) -> Object:
    """A container's status as the pod has it."""
    status = pod.get("status") or {}
    known = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return next((status for status in known if status["name"] == name), {})


def _without_instance(pod: Object, container: Object, view: View) -> Object:
    """A container that the runtime knows nothing of: it has not been made yet, or it was lost."""
    name = container["name"]
    old = _old_status(pod, name)
    result: Object = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": old.get("imageID", ""),
        "restartCount": old.get("restartCount", 0),
        "ready": False,
        "started": False,
        "lastState": old.get("lastState") or {},
        "state": {"waiting": _waiting(pod, view.problems.get(name))},
    }
    state = old.get("state") or {}
    if "terminated" in state:  # its record is gone, its end is not
        result |= {key: old[key] for key in ("state", "ready", "containerID", "image") if key in old}
    elif "running" in state or view.ended:
        verb = "terminated" if view.ended else "deleted"
        lost = {
            "exitCode": 137,
            "reason": "ContainerStatusUnknown",
            "message": f"The container could not be located when the pod was {verb}",
            "startedAt": None,
            "finishedAt": None,
        }
        result["state" if view.ended else "lastState"] = {"terminated": lost}
        result["restartCount"] += not view.ended
    return result


def _waiting(pod: Object, problem: Problem | None) -> Object:
    if problem is not None:
        return {"reason": problem.reason, "message": problem.message}
    return {"reason": first_waiting_reason(pod)}


def first_waiting_reason(pod: Object) -> str:
    """Why a container waits that nothing but its turn keeps from starting."""
    return "PodInitializing" if init_containers(pod) else "ContainerCreating"


def terminated(status: ContainerStatus) -> Object:
    """A ContainerStateTerminated."""
    state: Object = {
        "exitCode": status.exit_code,
        "reason": status.reason or ("Completed" if status.exit_code == 0 else "Error"),
        "startedAt": to_rfc3339(status.started_at) if status.started_at else None,
        "finishedAt": to_rfc3339(status.finished_at),
        "containerID": RUNTIME_PREFIX + status.id,
    }
    if status.message:
        state["message"] = status.message
    return state


def pod_phase(pod: Object, statuses: Mapping[str, Object], *, ended: bool) -> str:
    """The pod's phase by its ContainerStatuses (getPhase). `ended`: nothing will be started again."""
    init = [(c, statuses[c["name"]]) for c in init_containers(pod)]
    regular = [statuses[c["name"]] for c in containers(pod)]
    begun = any("running" in s["state"] or _end(s) is not None for s in regular)
    pending = failed = 0
    for container, status in init:
        end = _end(status)
        if is_sidecar(container):
            pending += not begun and not status.get("started")
        elif end is not None and end != 0:
            failed += 1
        elif end is None:
            pending += not begun
    if failed and (restart_policy(pod) == "Never" or ended):
        return "Failed"
    if (pending or failed) and not ended:
        return "Pending"
    running = sum("running" in s["state"] for s in regular)
    ends = [_end(s) for s in regular if "running" not in s["state"]]
    if any(end is None for end in ends) and not ended:
        return "Pending"
    if running:
        return "Running"
    if ended:
        return "Succeeded" if ends and all(end == 0 for end in ends) else "Failed"
    if any(_restarts(pod, statuses[c["name"]], c) for c in containers(pod)):
        return "Running"
    return "Succeeded" if all(end == 0 for end in ends) else "Failed"


def _restarts(pod: Object, status: Object, container: Object) -> bool:
    end = _end(status)
    return end is not None and restarts_after(pod, container, end)


def _end(status: Object) -> int | None:
    """The exit code of a container that has ended, also when it waits to be started again."""
    state = status["state"]
    end = state.get("terminated") or (
        "waiting" in state and (status.get("lastState") or {}).get("terminated")
    )
    return int(end["exitCode"]) if end else None
