"""Services and EndpointSlices in few words."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def service(name: str = "web", **spec: Any) -> Object:
    """A ClusterIP Service in namespace default at 127.200.96.1, port 80 → 8080, unless `spec` says else."""
    status = spec.pop("status", {})
    ports = [{"port": 80, "protocol": "TCP", "targetPort": 8080}]
    filled = {"type": "ClusterIP", "clusterIP": "127.200.96.1", "ports": ports, **spec}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": name, "resourceVersion": "1", "uid": name},
        "spec": filled,
        "status": status,
    }


def endpoint(address: str, node: str = "node1", **conditions: bool) -> Object:
    """An endpoint of a slice; ready unless `conditions` say else."""
    return {"addresses": [address], "nodeName": node, "conditions": conditions or {"ready": True}}


def slice_of(
    name: str, *endpoints: Object, ports: list[Object] | None = None, family: str = "IPv4"
) -> Object:
    """An EndpointSlice of Service `name`, with an unnamed port 8080/TCP unless `ports` say else."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": f"{name}-abcde",
            "resourceVersion": "1",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": ports if ports is not None else [{"name": "", "port": 8080, "protocol": "TCP"}],
    }
