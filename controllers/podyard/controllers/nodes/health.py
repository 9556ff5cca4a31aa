"""Which conditions and taints a node ought to have. Pure.

Source: k8s.io/kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from podyard.api.objects import find_condition
from podyard.api.times import from_rfc3339, to_rfc3339
from podyard.controllers.meta import Object, status_of

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions that a kubelet keeps up, and that become Unknown when it does not."""


def ready_status(node: Object) -> str:
    """The status of the Ready condition: True, False or Unknown; "" while there is none."""
    condition = find_condition(status_of(node).get("conditions"), "Ready")
    return str(condition["status"]) if condition else ""


def heartbeat(node: Object, lease: Object | None) -> tuple[str, str]:
    """What changes with every sign of life: the Lease's renewTime and the Ready condition's heartbeat."""
    condition = find_condition(status_of(node).get("conditions"), "Ready") or {}
    renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
    return renewed, condition.get("lastHeartbeatTime") or ""


def silent_conditions(node: Object, now: float) -> list[Object]:
    """The conditions that have to change because the kubelet is silent."""
    current = status_of(node).get("conditions") or []
    changed = []
    for type_ in _REPORTED:
        old = find_condition(current, type_)
        if old is None:
            changed.append(
                {
                    "type": type_,
                    "status": "Unknown",
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                    "lastHeartbeatTime": node["metadata"].get("creationTimestamp"),
                    "lastTransitionTime": to_rfc3339(now),
                }
            )
        elif old["status"] != "Unknown":
            changed.append(
                {
                    **old,
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": to_rfc3339(now),
                }
            )
    return changed


def wanted_taints(node: Object, now: float, *, evict: bool) -> list[Object]:
    """spec.taints as they ought to be: others' stay, ours follow from conditions and spec.unschedulable.

    `evict` is false while no node at all is ready: then the fault is likely elsewhere, and pods
    are left where they are.
    """
    old = (node.get("spec") or {}).get("taints") or []
    keys = [
        key
        for condition in status_of(node).get("conditions") or ()
        if (key := _BY_CONDITION.get((condition["type"], condition["status"])))
    ]
    if (node.get("spec") or {}).get("unschedulable"):
        keys.append(UNSCHEDULABLE)
    ours = [{"key": key, "effect": "NoSchedule"} for key in keys]
    if evict:
        ours += [
            {"key": key, "effect": "NoExecute", "timeAdded": to_rfc3339(now)}
            for key in keys
            if key in (NOT_READY, UNREACHABLE)
        ]
    kept = [taint for taint in old if not _is_ours(taint) or _in(taint, ours)]
    return kept + [taint for taint in ours if not _in(taint, old)]


def _is_ours(taint: Object) -> bool:
    if taint["effect"] == "NoExecute":
        return taint["key"] in (NOT_READY, UNREACHABLE)
    managed = {*_BY_CONDITION.values(), UNSCHEDULABLE}
    return taint["effect"] == "NoSchedule" and taint["key"] in managed


def _in(taint: Object, taints: Iterable[Object]) -> bool:
    return any((t["key"], t["effect"]) == (taint["key"], taint["effect"]) for t in taints)


def no_execute_taints(node: Object | None) -> list[Object]:
    """The taints that drive pods away."""
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return [taint for taint in taints if taint["effect"] == "NoExecute"]


def evicted_in(pod: Object, taints: Iterable[Object], now: float) -> float | None:
    """Seconds until a pod has to leave because of NoExecute taints; None when it may stay."""
    waits = []
    tolerations = pod["spec"].get("tolerations") or ()
    for taint in taints:
        found = [t for t in tolerations if _tolerates(t, taint)]
        if not found:
            return 0.0
        limits = [t["tolerationSeconds"] for t in found if t.get("tolerationSeconds") is not None]
        if limits:
            since = from_rfc3339(taint["timeAdded"]) if taint.get("timeAdded") else now
            waits.append(max(since + max(min(limits), 0) - now, 0.0))
    return min(waits, default=None)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    same = (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(toleration.get("key")) and same
