"""Small, correct objects, and a way to say what one change of them is refused with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from podyard.api import schema
from podyard.api.defaults import apply_defaults
from podyard.api.resources import RESOURCES
from podyard.api.validation import validate_create, validate_update

Object = dict[str, Any]
Refused = Callable[[str, Object], list[str]]
RefusedUpdate = Callable[[str, Object, Object], list[str]]

RANGE = "must be between 1 and 65535, inclusive"

POD_SPEC: Object = {"containers": [{"name": "web", "image": "nginx"}]}
TEMPLATE: Object = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}
WORKLOAD: Object = {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}}
JOB_SPEC: Object = {"template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}}}
JOB_LABELS = {"batch.kubernetes.io/controller-uid": "1234"}
ADDRESS: Object = {
    "clusterIP": "127.96.0.9",
    "clusterIPs": ["127.96.0.9"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}
BASES: dict[str, Object] = {
    "Pod": {"spec": POD_SPEC},
    "Deployment": WORKLOAD,
    "ReplicaSet": WORKLOAD,
    "DaemonSet": WORKLOAD,
    "StatefulSet": WORKLOAD,
    "ReplicationController": {"spec": {"template": TEMPLATE}},
    "Job": {
        "metadata": {"uid": "1234"},
        "spec": {
            "selector": {"matchLabels": JOB_LABELS},
            "template": {"metadata": {"labels": JOB_LABELS}, **JOB_SPEC["template"]},
        },
    },
    "CronJob": {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": JOB_SPEC}}},
    "Service": {"spec": {**ADDRESS, "ports": [{"port": 80}], "selector": {"app": "web"}}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["127.244.1.2"]}]},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "127.244.1.2"}], "ports": [{"port": 80}]}]},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "RoleBinding": {"roleRef": {"kind": "Role", "name": "reader"}},
    "StorageClass": {"provisioner": "example.com/disk"},
    "HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    },
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}},
}
RESOURCE = {resource.kind: resource for resource in reversed(RESOURCES)}


def container(**fields: Any) -> Object:
    """The change that makes a pod's only container have these fields."""
    return {"containers": [{"name": "web", "image": "nginx", **fields}]}


def merged(base: Object, change: Object) -> Object:
    """A copy of `base` with the change laid over it, object by object; None takes a field away."""
    result = copy.deepcopy(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def build(kind: str, *changes: Object) -> Object:
    """An object of that kind as it comes to validation: correct but for the changes, with defaults."""
    resource = RESOURCE[kind]
    meta = {"name": "web", **({"namespace": "default"} if resource.namespaced else {})}
    base = {"apiVersion": resource.group_version, "kind": kind, "metadata": meta}
    obj = merged(base, BASES.get(kind, {}))
    for change in changes:
        obj = merged(obj, change)
    obj = schema.prune(resource.group_version, kind, obj)
    apply_defaults(resource.group_version, kind, obj)
    return obj


@pytest.fixture
def refused() -> Refused:
    """What a new object with this change is refused with, as "path: message"."""

    def errors(kind: str, change: Object) -> list[str]:
        return [str(error) for error in validate_create(RESOURCE[kind], build(kind, change))]

    return errors


@pytest.fixture
def refused_update() -> RefusedUpdate:
    """What is refused when an object with the first change becomes one with the second too."""

    def errors(kind: str, before: Object, change: Object) -> list[str]:
        old, new = build(kind, before), build(kind, before, change)
        snapshot = copy.deepcopy((old, new))
        found = [str(error) for error in validate_update(RESOURCE[kind], new, old)]
        assert (old, new) == snapshot, "validation changed an object"
        return found

    return errors
