"""Which allocated fields a Service's spec has (pkg/api/service, pkg/registry/core/service)."""

from __future__ import annotations

from podyard.apiserver.registry import Object

HEADLESS = "None"


def needs_cluster_ip(spec: Object) -> bool:
    """Every type but ExternalName."""
    return bool(spec.get("type") != "ExternalName")


def needs_node_port(spec: Object) -> bool:
    """NodePort, and LoadBalancer unless it declines."""
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return bool(spec.get("type") == "NodePort")


def needs_health_check_port(spec: Object) -> bool:
    """A LoadBalancer that wants traffic only at nodes with an endpoint."""
    return bool(spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def cluster_ips(spec: Object) -> list[str]:
    """Its real addresses; none of a headless Service."""
    return [ip for ip in spec.get("clusterIPs") or () if ip and ip != HEADLESS]


def node_ports(spec: Object) -> set[int]:
    """Every node port it holds, the one for health checks too."""
    held = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        held.add(spec["healthCheckNodePort"])
    return held
