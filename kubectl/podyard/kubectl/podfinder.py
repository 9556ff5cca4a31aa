"""The pod that `exec`, `attach`, `logs` and `port-forward` mean: itself, or one of a workload's.

Source: k8s.io/kubectl pkg/polymorphichelpers, pkg/util/podutils.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from podyard.api.objects import find_condition
from podyard.api.times import from_rfc3339
from podyard.kubectl.describe.lines import label_selector
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import Wanted
from podyard.kubectl.watching import TimedOut, watch

Pod = dict[str, Any]

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

CONTAINER_FLAG = Flag(
    "container",
    "Container name. If omitted, use the kubectl.kubernetes.io/default-container annotation or the first.",
    short="c",
)


def timeout_flag(seconds: float) -> Flag:
    """--pod-running-timeout with a command's own default."""
    return Flag(
        "pod-running-timeout",
        "The length of time (like 5s, 2m, or 3h, higher than zero) to wait until at least one pod is running",
        kind="duration",
        default=seconds,
    )


def running_timeout(session: Session) -> float:
    """The seconds of --pod-running-timeout. Raises UsageError unless there are some."""
    seconds = float(session["pod-running-timeout"])
    if seconds <= 0:
        raise UsageError(session.command, "--pod-running-timeout must be higher than zero")
    return seconds


def named(session: Session, name: str) -> Info:
    """The object that POD or TYPE/NAME names."""
    found = find(session, Wanted([name], default_type="pods"))
    if len(found.all()) != 1:
        raise CommandError("expected a resource")
    return found.infos[0]


def pod_of(session: Session, info: Info, timeout: float, cannot: str = "attach to") -> Pod:
    """The pod itself, or the best one of a workload or Service; waits until there is one."""
    if info.resource.kind == "Pod" and not info.resource.group:
        return info.object
    return pods_of(session, info, timeout, active_last, cannot)[0]


def pods_of(
    session: Session, info: Info, timeout: float, order: Callable[[Pod], Any], cannot: str
) -> list[Pod]:
    """All pods of a workload in an order. Raises TimedOut when there is none in time."""
    selector = pod_selector(info, cannot)
    path = f"/api/v1/namespaces/{info.namespace}/pods"
    listed = session.transport.json("GET", path, query={"labelSelector": selector})
    pods = list(listed.get("items") or ())
    if not pods:
        resource = session.discovery.find("pods")
        query = {"labelSelector": selector, "resourceVersion": listed["metadata"]["resourceVersion"]}
        end = time.monotonic() + timeout
        for event, pod in watch(session, resource, info.namespace, query, timeout=timeout):
            if event in ("ADDED", "MODIFIED"):
                pods = [pod]
                break
            if time.monotonic() > end:
                break
    if not pods:
        raise TimedOut("timed out waiting for the condition")
    return sorted(pods, key=order)


def pod_selector(info: Info, cannot: str) -> str:
    """The label selector of a workload's pods. Raises CommandError for what has none."""
    selector = (info.object.get("spec") or {}).get("selector")
    kind = info.resource.kind
    if kind in ("Service", "ReplicationController"):
        if not selector:
            raise CommandError(f"invalid service '{info.name}': Service is defined without a selector")
        return ",".join(f"{key}={selector[key]}" for key in sorted(selector))
    if kind not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
        raise CommandError(f"cannot {cannot} *v1.{kind}: selector for *v1.{kind} not implemented")
    return label_selector(selector)


def active_last(pod: Pod) -> tuple[Any, ...]:
    """Sorts the pod first that is most worth talking to: assigned, running, ready, and so for long."""
    phases = {"Running": 0, "Unknown": 1, "Pending": 2}
    since = ready_since(pod)
    created = from_rfc3339(pod["metadata"]["creationTimestamp"])
    return (
        not pod["spec"].get("nodeName"),
        phases.get((pod.get("status") or {}).get("phase", ""), 0),
        since is None,
        "deletionTimestamp" in pod["metadata"],
        since or 0,
        restarts(pod),
        created,
    )


def logging_order(pod: Pod) -> tuple[Any, ...]:
    """Sorts the pod first whose log is of most use."""
    phases = {"Running": 0, "Unknown": 1, "Pending": 2}
    since = ready_since(pod)
    return (
        not pod["spec"].get("nodeName"),
        phases.get((pod.get("status") or {}).get("phase", ""), 0),
        since is None,
        since or 0,
        -restarts(pod),
        from_rfc3339(pod["metadata"]["creationTimestamp"]),
    )


def ready_since(pod: Mapping[str, Any]) -> float | None:
    """Since when a pod is ready; None when it is not."""
    ready = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    return from_rfc3339(ready["lastTransitionTime"]) if ready and ready["status"] == "True" else None


def restarts(pod: Mapping[str, Any]) -> int:
    """How often the container was restarted that was restarted most."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def containers(pod: Mapping[str, Any]) -> dict[str, str]:
    """The containers of a pod, and in which list of the spec each is."""
    lists = ("containers", "initContainers", "ephemeralContainers")
    return {found["name"]: field for field in lists for found in pod["spec"].get(field) or ()}


def all_names(pod: Mapping[str, Any]) -> str:
    """The containers of a pod as messages list them."""
    notes = {"initContainers": " (init)", "ephemeralContainers": " (ephem)"}
    return ", ".join(f"{name}{notes.get(field, '')}" for name, field in containers(pod).items())


def choose_container(session: Session, pod: Mapping[str, Any], wanted: str, quiet: bool = False) -> str:
    """The container that is meant; says which when it was not told."""
    known, name = containers(pod), pod["metadata"]["name"]
    if wanted:
        return wanted
    annotated = str((pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, ""))
    if annotated in known:
        return annotated
    if annotated and not quiet:
        session.err(f'Warning: Default container name "{annotated}" not found in pod {name}\n')
    first = str(pod["spec"]["containers"][0]["name"])
    if len(known) > 1 and not quiet:
        session.err(f'Defaulted container "{first}" out of: {all_names(pod)}\n')
    return first
