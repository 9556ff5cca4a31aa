"""Services (core/validation ValidateService, ValidateServiceUpdate).

Which addresses and ports are free is the allocator's affair; here only their form is looked at,
after the allocator has given them, so that `clusterIPs` is filled in.
"""

from __future__ import annotations

from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    immutable,
    indexed,
    invalid,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.labels import label_key, labels
from podyard.api.validation.service_addresses import cluster_ips, headless, same_cluster_ips, same_families

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_WITH_NODE_PORTS = ("LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_MAX_AFFINITY_SECONDS = 86400
_IP_MODES = ("Proxy", "VIP")
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def create(service: Object) -> Errors:
    """What holds of every Service."""
    spec = service.get("spec") or {}
    kind = spec.get("type")
    is_headless = headless(spec)
    if not spec.get("ports") and not is_headless and kind != "ExternalName":
        yield required("spec.ports")
    if is_headless and kind in _WITH_NODE_PORTS:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _external_name(spec)
    yield from _ports(spec)
    yield from labels("spec.selector", spec.get("selector"))
    yield from _affinity(spec)
    if kind != "ExternalName":
        yield from cluster_ips(spec)
    for at, address in indexed("spec.externalIPs", spec.get("externalIPs")):
        errors = list(formats.ip(at, address))
        yield from errors or formats.endpoint_ip(at, address)
    yield from one_of("spec.type", kind, _TYPES)
    yield from _unique_ports(spec)
    yield from _load_balancer(spec)
    yield from _policies(spec)


def update(service: Object, old: Object) -> Errors:
    """A Service that replaces `old`: its addresses stay, except to and from ExternalName."""
    new_spec, old_spec = service.get("spec") or {}, old.get("spec") or {}
    if "ExternalName" not in (new_spec.get("type"), old_spec.get("type")):
        yield from same_cluster_ips(new_spec, old_spec)
        yield from same_families(new_spec, old_spec)
    if new_spec.get("type") == old_spec.get("type") == "LoadBalancer":
        new_class, old_class = new_spec.get("loadBalancerClass"), old_spec.get("loadBalancerClass")
        if new_class != old_class:
            yield invalid("spec.loadBalancerClass", new_class, "may not change once set")
    if _needs_health_check(new_spec) and _needs_health_check(old_spec):
        at = "spec.healthCheckNodePort"
        if list(immutable(at, new_spec.get("healthCheckNodePort"), old_spec.get("healthCheckNodePort"))):
            yield forbidden(at, "field is immutable")
    yield from create(service)
    yield from _load_balancer_status(service)


def _external_name(spec: Object) -> Errors:
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(key):
            yield forbidden(f"spec.{key}", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        yield from formats.dns_subdomain("spec.externalName", name)
    else:
        yield required("spec.externalName")


def _ports(spec: Object) -> Errors:
    ports = spec.get("ports") or []
    seen: set[str] = set()
    for at, port in indexed("spec.ports", ports):
        if name := port.get("name"):
            yield from formats.dns_label(f"{at}.name", name)
            if name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)
        elif len(ports) > 1:
            yield required(f"{at}.name")
        yield from formats.port(f"{at}.port", port.get("port") or 0)
        yield from one_of(f"{at}.protocol", port.get("protocol"), formats.PROTOCOLS)
        yield from formats.port_or_name(f"{at}.targetPort", port.get("targetPort"))
        if port.get("appProtocol") is not None:
            yield from label_key(f"{at}.appProtocol", port["appProtocol"])
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            yield forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'")


def _unique_ports(spec: Object) -> Errors:
    node_ports: set[tuple[str, int]] = set()
    numbers: set[tuple[str, int]] = set()
    for at, port in indexed("spec.ports", spec.get("ports")):
        protocol, node_port, number = port.get("protocol"), port.get("nodePort"), port.get("port")
        if node_port and (protocol, node_port) in node_ports:
            yield duplicate(f"{at}.nodePort", node_port)
        if (protocol, number) in numbers:
            yield duplicate(at, {"port": number, "protocol": protocol})
        node_ports.add((protocol, node_port))
        numbers.add((protocol, number))


def _affinity(spec: Object) -> Errors:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    path = "spec.sessionAffinityConfig"
    yield from one_of("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    if affinity == "None" and config is not None:
        yield forbidden(path, "must not be set when session affinity is None")
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            at = f"{path}.clientIP.timeoutSeconds"
            yield required(at, "when session affinity type is ClientIP")
        elif not 0 < seconds <= _MAX_AFFINITY_SECONDS:
            detail = f"must be greater than 0 and less than {_MAX_AFFINITY_SECONDS}"
            yield invalid(f"{path}.clientIP.timeoutSeconds", seconds, detail)


def _load_balancer(spec: Object) -> Errors:
    balancer = spec.get("type") == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges")
    if ranges and not balancer:
        yield forbidden("spec.LoadBalancerSourceRanges", _ONLY_LOAD_BALANCER)
    for at, network in indexed("spec.LoadBalancerSourceRanges", ranges):
        yield from formats.cidr(at, network.strip())
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balancer:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCER)
    name = spec.get("loadBalancerClass")
    if name is not None and balancer:
        yield from label_key("spec.loadBalancerClass", name)
    elif name is not None:
        yield forbidden("spec.loadBalancerClass", _ONLY_LOAD_BALANCER)


def _load_balancer_status(service: Object) -> Errors:
    """What a load balancer's implementation has said (ValidateLoadBalancerStatus)."""
    path = "status.loadBalancer.ingress"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if ingress and (service.get("spec") or {}).get("type") != "LoadBalancer":
        yield forbidden(path, 'may only be used when `spec.type` is "LoadBalancer"')
        return
    for at, item in indexed(path, ingress):
        address, mode, host = item.get("ip"), item.get("ipMode"), item.get("hostname")
        if address:
            yield from formats.ip(f"{at}.ip", address)
        if mode is not None and not address:
            yield forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None:
            yield from one_of(f"{at}.ipMode", mode, _IP_MODES)
        if host:
            yield from formats.dns_subdomain(f"{at}.hostname", host)


def _externally_accessible(spec: Object) -> bool:
    kind = spec.get("type")
    return kind in _WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def _needs_health_check(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _policies(spec: Object) -> Errors:
    external, internal = spec.get("externalTrafficPolicy"), spec.get("internalTrafficPolicy")
    path = "spec.externalTrafficPolicy"
    if _externally_accessible(spec):
        yield from one_of(path, external, _POLICIES)
    elif external:
        yield invalid(path, external, "may only be set for externally-accessible services")
    health_port = spec.get("healthCheckNodePort")
    if health_port and not _needs_health_check(spec):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", health_port, detail)
    elif health_port:
        yield from formats.port("spec.healthCheckNodePort", health_port)
    if internal is None and spec.get("type") in ("ClusterIP", *_WITH_NODE_PORTS):
        yield required("spec.internalTrafficPolicy")
    elif internal is not None and internal not in _POLICIES:
        yield not_supported("spec.internalTrafficPolicy", internal, _POLICIES)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
