"""Which pods leave a node that is drained, and which stand in the way: pure.

Source: k8s.io/kubectl pkg/drain/filters.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podyard.api.times import from_rfc3339

Object = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"

DAEMON_SETS = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
LOCAL_STORAGE = "Pods with local storage (use --delete-emptydir-data to override)"
UNMANAGED = "Pods that declare no controller (use --force to override)"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the flags say. `skip_deleted`: pods that have been going for so many seconds are left; 0: none."""

    force: bool = False
    ignore_daemon_sets: bool = False
    delete_local_storage: bool = False
    skip_deleted: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of one pod. A `problem` keeps the node from being drained."""

    goes: bool
    warning: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The pods that go, what the user is warned of, and the problems."""

    pods: list[Object]
    warnings: str
    problems: list[str]


def plan(pods: Iterable[Object], rules: Rules, now: float) -> Plan:
    """Decide about all pods of a node at `now`, seconds since 1970."""
    going: list[Object] = []
    warnings: dict[str, list[str]] = {}
    problems: dict[str, list[str]] = {}
    for pod in pods:
        verdict = judge(pod, rules, now)
        name = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
        if verdict.goes:
            going.append(pod)
        for text, found in ((verdict.warning, warnings), (verdict.problem, problems)):
            if text:
                found.setdefault(text, []).append(name)
    return Plan(
        going,
        "; ".join(f"{text}: {', '.join(names)}" for text, names in warnings.items()),
        [f"cannot delete {text}: {', '.join(names)}" for text, names in problems.items()],
    )


def judge(pod: Object, rules: Rules, now: float) -> Verdict:
    """Decide about one pod."""
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    deleted = metadata.get("deletionTimestamp")
    if rules.skip_deleted and deleted and now - from_rfc3339(deleted) > rules.skip_deleted:
        return Verdict(False)
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    controller = _controller(metadata)
    if controller == "DaemonSet" and not ended:
        if rules.ignore_daemon_sets:
            return Verdict(False, warning="ignoring DaemonSet-managed Pods")
        return Verdict(False, problem=DAEMON_SETS)
    if MIRROR in (metadata.get("annotations") or {}):
        return Verdict(False)
    stored = any("emptyDir" in volume for volume in spec.get("volumes") or ())
    if stored and not ended and not rules.delete_local_storage:
        return Verdict(False, problem=LOCAL_STORAGE)
    if ended or controller:
        return Verdict(True)
    if rules.force:
        return Verdict(True, warning="deleting Pods that declare no controller")
    return Verdict(False, problem=UNMANAGED)


def _controller(metadata: Object) -> str:
    """The kind of what controls it, or ""."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference.get("kind"))
    return ""
