"""Services and EndpointSlices in few words."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

HTTP = {"name": "http", "port": 80, "protocol": "TCP"}


def service(name: str, cluster_ip: str = "None", **spec: Any) -> Object:
    """A Service in namespace default, headless unless it has a `cluster_ip`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"type": "ClusterIP", "clusterIP": cluster_ip, "ports": [HTTP], **spec},
    }


def external(name: str, target: str) -> Object:
    """An ExternalName Service."""
    made = service(name, "", type="ExternalName", externalName=target)
    del made["spec"]["clusterIP"]
    return made


def endpoint(address: str, hostname: str = "", *, ready: bool = True) -> Object:
    """An endpoint of a slice."""
    made: Object = {"addresses": [address], "conditions": {"ready": ready}}
    return {**made, "hostname": hostname} if hostname else made


def slice_of(name: str, *endpoints: Object, ports: list[Object] | None = None) -> Object:
    """An EndpointSlice of Service `name` with port http 8080, unless `ports` say else."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": f"{name}-abcde",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv6" if endpoints and ":" in endpoints[0]["addresses"][0] else "IPv4",
        "endpoints": list(endpoints),
        "ports": ports if ports is not None else [{**HTTP, "port": 8080}],
    }
