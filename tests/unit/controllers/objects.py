"""Small objects as the apiserver stores them, for tables."""

from __future__ import annotations

from typing import Any

from podyard.api.times import to_rfc3339

Object = dict[str, Any]

NOW = 1_800_000_000.0


def pod(
    name: str,
    *,
    ip: str = "",
    node: str = "node1",
    ready: bool | float = True,
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    created: float = NOW - 3600,
    terminating: bool = False,
    owner: Object | None = None,
    annotations: dict[str, str] | None = None,
    restarts: int = 0,
    **spec: Any,
) -> Object:
    """A pod; `ready` may be the time since when it is."""
    metadata: Object = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "labels": labels if labels is not None else {"app": "web"},
        "annotations": annotations or {},
        "creationTimestamp": to_rfc3339(created),
    }
    if terminating:
        metadata["deletionTimestamp"] = to_rfc3339(NOW)
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    condition: Object = {"type": "Ready", "status": "True" if ready else "False"}
    if ready:
        since = created + 5 if ready is True else ready
        condition["lastTransitionTime"] = to_rfc3339(since)
    status: Object = {"phase": phase, "conditions": [condition]}
    if ip:
        status["podIP"] = ip
    if restarts:
        status["containerStatuses"] = [{"restartCount": restarts}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "web"}], **({"nodeName": node} if node else {}), **spec},
        "status": status,
    }


def template(image: str = "nginx") -> Object:
    """A pod template."""
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


def deployment(replicas: int = 3, image: str = "nginx", **spec: Any) -> Object:
    """A Deployment with Kubernetes' defaults."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "uid-web",
            "generation": 1,
            "resourceVersion": "1",
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(image),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
            },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            **spec,
        },
    }


def replica_set(replicas: int = 3, **spec: Any) -> Object:
    """A ReplicaSet by itself."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-rs", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(),
            **spec,
        },
    }


def service(*ports: Object, **spec: Any) -> Object:
    """A Service that selects app=web."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "uid-svc",
            "labels": {"tier": "front"},
            "creationTimestamp": to_rfc3339(NOW - 60),
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "127.96.0.9",
            "selector": {"app": "web"},
            "ports": list(ports or ({"port": 80, "targetPort": 80, "protocol": "TCP"},)),
            **spec,
        },
    }


def node(
    name: str = "node1", *, ready: str = "True", taints: list[Object] | None = None, **spec: Any
) -> Object:
    """A node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"kubernetes.io/hostname": name},
            "creationTimestamp": to_rfc3339(NOW - 3600),
        },
        "spec": {**({"taints": taints} if taints else {}), **spec},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
