"""Nodes and Leases."""

from __future__ import annotations

from podyard.apiserver.table import NONE, UNKNOWN, Cells, Object, Printer, columns
from podyard.apiserver.table.fields import age, condition, dig, items, name

_ROLE_PREFIX = "node-role.kubernetes.io/"


def _node(obj: Object, now: float) -> Cells:
    info = dig(obj, "status", "nodeInfo") or {}
    return [
        name(obj),
        _status(obj),
        _roles(obj),
        age(obj, now),
        info.get("kubeletVersion", ""),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _status(node: Object) -> str:
    ready = condition(node, "Ready")
    text = "Unknown" if not ready else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if dig(node, "spec", "unschedulable") else text


def _roles(node: Object) -> str:
    roles = set()
    for label, value in (dig(node, "metadata", "labels") or {}).items():
        if label.startswith(_ROLE_PREFIX) and len(label) > len(_ROLE_PREFIX):
            roles.add(label[len(_ROLE_PREFIX) :])
        elif label == "kubernetes.io/role" and value:
            roles.add(value)
    return ",".join(sorted(roles)) or NONE


def _address(node: Object, kind: str) -> str:
    for address in items(node, "status", "addresses"):
        if address.get("type") == kind:
            return str(address.get("address"))
    return NONE


def _lease(obj: Object, now: float) -> Cells:
    return [name(obj), dig(obj, "spec", "holderIdentity") or "", age(obj, now)]


PRINTERS = {
    ("", "nodes"): Printer(
        columns(
            "Name | Status | Roles | Age | Version | Internal-IP* | External-IP* | OS-Image*"
            " | Kernel-Version* | Container-Runtime*"
        ),
        _node,
    ),
    ("coordination.k8s.io", "leases"): Printer(columns("Name | Holder | Age"), _lease),
}
