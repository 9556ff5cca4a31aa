"""Services: which fields a type has, and what an update keeps (pkg/registry/core/service)."""

from __future__ import annotations

from podyard.api.errors import FieldError
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Context, Strategy
from podyard.apiserver.registry.strategies.allocation import allocate
from podyard.apiserver.registry.strategies.service_fields import (
    needs_cluster_ip,
    needs_health_check_port,
    needs_node_port,
)


class ServiceStrategy(Strategy):
    """A Service. Its addresses and node ports are taken within the write."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Begin with an empty status."""
        new["status"] = {"loadBalancer": {}}
        spec = new.setdefault("spec", {})
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """Keep what the caller left out, drop what the new type has not."""
        super().prepare_update(new, old, context)
        spec, before = new.setdefault("spec", {}), old["spec"]
        _patch_allocated(spec, before)
        _normalize_cluster_ips(spec, before)
        _drop_type_dependent(spec, before)
        if spec.get("type") != "LoadBalancer" and before.get("type") == "LoadBalancer":
            new["status"] = {**new.get("status", {}), "loadBalancer": {}}

    def allocate(self, new: Object, old: Object | None, context: Context) -> list[FieldError]:
        """Take what the Service still lacks."""
        metadata = new["metadata"]
        own = {(metadata["namespace"], metadata["name"])} if old else set()

        def taken(value: str) -> bool:
            return bool(context.holders("services", value) - own)

        return allocate(new["spec"], old["spec"] if old else {}, taken, context.ranges)


def _patch_allocated(spec: Object, before: Object) -> None:
    """Fill in what had been allocated and the caller left out (patchAllocatedValues)."""
    if needs_cluster_ip(before) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        same = spec.get("clusterIP") == before.get("clusterIP")
        if not spec.get("clusterIPs") and same and before.get("clusterIPs"):
            spec["clusterIPs"] = before["clusterIPs"]
        for key in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(key) and before.get(key):
                spec[key] = before[key]
    if needs_node_port(before) and needs_node_port(spec):
        used = _node_ports(before) & _node_ports(spec)
        by_name = {port.get("name", ""): port.get("nodePort", 0) for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            old_value = by_name.get(port.get("name", ""), 0)
            if not port.get("nodePort") and old_value and old_value not in used:
                port["nodePort"] = old_value
                used.add(old_value)
    both = needs_health_check_port(before) and needs_health_check_port(spec)
    if both and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort", 0)


def _normalize_cluster_ips(spec: Object, before: Object) -> None:
    """Let `clusterIPs` follow a changed `clusterIP` (normalizeClusterIPs)."""
    address, old_address = spec.get("clusterIP", ""), before.get("clusterIP", "")
    if address == old_address or (spec.get("clusterIPs") or None) not in (None, before.get("clusterIPs")):
        return
    spec.pop("clusterIPs", None)
    if address:
        spec["clusterIPs"] = [address]


def _drop_type_dependent(spec: Object, before: Object) -> None:
    """Clear fields of the old type that the caller only carried along (dropTypeDependentFields)."""
    if needs_cluster_ip(before) and not needs_cluster_ip(spec):
        if _same(spec, before, "clusterIP", "clusterIPs"):
            _drop(spec, "clusterIP", "clusterIPs")
        if _same(spec, before, "ipFamilies"):
            _drop(spec, "ipFamilies", "ipFamilyPolicy")
    if needs_node_port(before) and not needs_node_port(spec) and _node_ports(before) == _node_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_check_port(before) and not needs_health_check_port(spec):
        _drop_same(spec, before, "healthCheckNodePort")
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        _drop_same(spec, before, "loadBalancerClass", "allocateLoadBalancerNodePorts")
    external = ("NodePort", "LoadBalancer")
    was_external = before.get("type") in external
    if was_external and spec.get("type") not in external and not spec.get("externalIPs"):
        _drop_same(spec, before, "externalTrafficPolicy")
    if spec.get("type") == "ExternalName":
        _drop_same(spec, before, "internalTrafficPolicy")


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _same(spec: Object, before: Object, *keys: str) -> bool:
    return all(spec.get(key) == before.get(key) for key in keys)


def _drop(spec: Object, *keys: str) -> None:
    for key in keys:
        spec.pop(key, None)


def _drop_same(spec: Object, before: Object, *keys: str) -> None:
    _drop(spec, *(key for key in keys if _same(spec, before, key)))
