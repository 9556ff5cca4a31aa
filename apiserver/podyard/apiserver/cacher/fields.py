"""The fields by which each resource can be selected, besides its name and namespace.

From the conversion and `ToSelectableFields` functions of kubernetes/pkg/registry and pkg/apis.
"""

from __future__ import annotations

from typing import Any

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

# Resource → field label → where it is in the object and what it is when absent.
_FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "pods": {
        "spec.nodeName": ("spec.nodeName", ""),
        "spec.restartPolicy": ("spec.restartPolicy", ""),
        "spec.schedulerName": ("spec.schedulerName", ""),
        "spec.serviceAccountName": ("spec.serviceAccountName", ""),
        "spec.hostNetwork": ("spec.hostNetwork", "false"),
        "status.phase": ("status.phase", ""),
        "status.podIP": ("status.podIP", ""),
        "status.nominatedNodeName": ("status.nominatedNodeName", ""),
    },
    "events": {
        **{f"involvedObject.{name}": (f"involvedObject.{name}", "") for name in _INVOLVED},
        "reason": ("reason", ""),
        "reportingComponent": ("reportingComponent", ""),
        "source": ("source.component", ""),
        "type": ("type", ""),
    },
    "nodes": {"spec.unschedulable": ("spec.unschedulable", "false")},
    "secrets": {"type": ("type", "")},
    "namespaces": {"status.phase": ("status.phase", "")},
    "services": {"spec.clusterIP": ("spec.clusterIP", ""), "spec.type": ("spec.type", "")},
    "replicationcontrollers": {"status.replicas": ("status.replicas", "0")},
    "replicasets.apps": {"status.replicas": ("status.replicas", "0")},
    "jobs.batch": {"status.successful": ("status.succeeded", "0")},
    "certificatesigningrequests.certificates.k8s.io": {"spec.signerName": ("spec.signerName", "")},
}

# events.k8s.io/v1 calls the same fields otherwise.
_ALIASES = {
    "events": {
        **{f"regarding.{name}": f"involvedObject.{name}" for name in _INVOLVED},
        "reportingController": "reportingComponent",
    }
}


def canonical_label(group_resource: str, label: str) -> str:
    """The field label under which `selectable_fields` has it, or ValueError as Kubernetes words it."""
    if label in ("metadata.name", "metadata.namespace") or label in _FIELDS.get(group_resource, {}):
        return label
    alias = _ALIASES.get(group_resource, {}).get(label)
    if alias is None:
        raise ValueError(f"field label not supported: {label}")
    return alias


def selectable_fields(group_resource: str, obj: dict[str, Any]) -> dict[str, str]:
    """The values of the resource's own selectable fields in one object, as text."""
    return {
        label: _text(obj, path, absent) for label, (path, absent) in _FIELDS.get(group_resource, {}).items()
    }


def _text(obj: dict[str, Any], path: str, absent: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return absent
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
