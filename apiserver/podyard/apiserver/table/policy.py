"""Roles, budgets, autoscalers, priorities and certificate requests."""

from __future__ import annotations

from typing import Any

from podyard.api.times import human_duration
from podyard.apiserver.table import UNKNOWN, UNSET, Cells, Object, Printer, columns
from podyard.apiserver.table.fields import age, count, created_at, dig, items, name


def _role(obj: Object, now: float) -> Cells:
    return [name(obj), created_at(obj)]


def _role_binding(obj: Object, now: float) -> Cells:
    found: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in items(obj, "subjects"):
        kind, subject_name = subject.get("kind"), str(subject.get("name"))
        if kind == "ServiceAccount":
            subject_name = f"{subject.get('namespace', '')}/{subject_name}"
        found.setdefault(kind, []).append(subject_name)
    role = dig(obj, "roleRef") or {}
    return [
        name(obj),
        f"{role.get('kind')}/{role.get('name')}",
        age(obj, now),
        ", ".join(found["User"]),
        ", ".join(found["Group"]),
        ", ".join(found["ServiceAccount"]),
    ]


def _disruption_budget(obj: Object, now: float) -> Cells:
    least, most = dig(obj, "spec", "minAvailable"), dig(obj, "spec", "maxUnavailable")
    return [
        name(obj),
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        count(obj, "status", "disruptionsAllowed"),
        age(obj, now),
    ]


def _autoscaler(obj: Object, now: float) -> Cells:
    target = dig(obj, "spec", "scaleTargetRef") or {}
    least = dig(obj, "spec", "minReplicas")
    return [
        name(obj),
        f"{target.get('kind')}/{target.get('name')}",
        _targets(obj),
        UNSET if least is None else str(least),
        count(obj, "spec", "maxReplicas"),
        count(obj, "status", "currentReplicas"),
        age(obj, now),
    ]


def _targets(autoscaler: Object) -> str:
    """What is measured of what is wanted; autoscaling/v1 knows CPU alone."""
    if (cpu := dig(autoscaler, "spec", "targetCPUUtilizationPercentage")) is not None:
        current = dig(autoscaler, "status", "currentCPUUtilizationPercentage")
        return f"cpu: {UNKNOWN if current is None else f'{current}%'}/{cpu}%"
    current_metrics = items(autoscaler, "status", "currentMetrics")
    texts = []
    for index, metric in enumerate(items(autoscaler, "spec", "metrics")):
        now = current_metrics[index] if index < len(current_metrics) else {}
        texts.append(_metric(metric, now))
    if len(texts) > 2:
        return f"{', '.join(texts[:2])} + {len(texts) - 2} more..."
    return ", ".join(texts) or "<none>"


def _metric(metric: dict[str, Any], current: dict[str, Any]) -> str:
    kind = str(metric.get("type", ""))
    field = kind[:1].lower() + kind[1:]
    wanted, measured = dig(metric, field, "target") or {}, dig(current, field, "current") or {}
    prefix = f"{dig(metric, field, 'name')}: " if kind in ("Resource", "ContainerResource") else ""
    if wanted.get("averageUtilization") is not None:
        now = measured.get("averageUtilization")
        return f"{prefix}{UNKNOWN if now is None else f'{now}%'}/{wanted['averageUtilization']}%"
    for key, suffix in (("averageValue", " (avg)"), ("value", "")):
        if wanted.get(key) is not None:
            note = suffix if kind in ("Object", "External") else ""
            return f"{prefix}{measured.get(key, UNKNOWN)}/{wanted[key]}{note}"
    return f"{prefix}{UNKNOWN}/<auto>"


def _priority_class(obj: Object, now: float) -> Cells:
    return [
        name(obj),
        count(obj, "value"),
        bool(dig(obj, "globalDefault")),
        age(obj, now),
        dig(obj, "preemptionPolicy") or "PreemptLowerPriority",
    ]


def _signing_request(obj: Object, now: float) -> Cells:
    seconds = dig(obj, "spec", "expirationSeconds")
    return [
        name(obj),
        age(obj, now),
        dig(obj, "spec", "signerName") or "<none>",
        dig(obj, "spec", "username") or "",
        "<none>" if seconds is None else human_duration(seconds),
        _signing_state(obj),
    ]


def _signing_state(request: Object) -> str:
    conditions = {str(c.get("type")) for c in items(request, "status", "conditions")}
    states = ["Denied" if "Denied" in conditions else "Approved" if "Approved" in conditions else "Pending"]
    if "Failed" in conditions:
        states.append("Failed")
    if dig(request, "status", "certificate"):
        states.append("Issued")
    return ",".join(states)


_ROLE = Printer(columns("Name | Created At"), _role)
_BINDING = Printer(columns("Name | Role | Age | Users* | Groups* | ServiceAccounts*"), _role_binding)
_RBAC = "rbac.authorization.k8s.io"

PRINTERS = {
    (_RBAC, "roles"): _ROLE,
    (_RBAC, "clusterroles"): _ROLE,
    (_RBAC, "rolebindings"): _BINDING,
    (_RBAC, "clusterrolebindings"): _BINDING,
    ("policy", "poddisruptionbudgets"): Printer(
        columns("Name | Min Available | Max Unavailable | Allowed Disruptions:int | Age"), _disruption_budget
    ),
    ("autoscaling", "horizontalpodautoscalers"): Printer(
        columns("Name | Reference | Targets | MinPods | MaxPods:int | Replicas:int | Age"), _autoscaler
    ),
    ("scheduling.k8s.io", "priorityclasses"): Printer(
        columns("Name | Value:int | Global-Default:bool | Age | PreemptionPolicy"), _priority_class
    ),
    ("certificates.k8s.io", "certificatesigningrequests"): Printer(
        columns("Name | Age | SignerName | Requestor | RequestedDuration | Condition"), _signing_request
    ),
}
