"""Which sockets a node listens on, and where each leads: pure functions of Services and slices.

The rules are kube-proxy's (pkg/proxy/topology.go, CategorizeEndpoints): ready endpoints first;
when there are none, those that terminate but still serve; with a Local traffic policy only the
endpoints of this node; else, of the ready ones, those that are meant for this node or its zone (hints,
which a Service's trafficDistribution asks for), if all have hints and some are meant for here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Object = dict[str, Any]
ServiceKey = tuple[str, str]
"""(namespace, name)"""
Endpoint = tuple[str, int]
"""(address, port)"""

DEFAULT_AFFINITY_SECONDS = 10800
PROTOCOLS = ("TCP", "UDP")

CLUSTER_IP = "ClusterIP"
NODE_PORT = "NodePort"
EXTERNAL_IP = "ExternalIP"
LOAD_BALANCER = "LoadBalancer"
HEALTH_CHECK = "HealthCheck"


@dataclass(frozen=True, slots=True)
class Node:
    """The node whose proxy this is: its name, the addresses that its node ports are bound on, its zone."""

    name: str
    addresses: tuple[str, ...]
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Frontend:
    """A socket address to listen on. `protocol` is TCP or UDP."""

    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where the connections to one frontend go.

    `kind` says which part of the Service asks for the frontend. `endpoints` is never empty, but for
    a HEALTH_CHECK, which leads nowhere and tells how many there are on this node.
    `affinity_seconds` is how long a client keeps its endpoint, 0 without session affinity. `sources`
    are the networks from which clients may come; none: from anywhere.
    """

    service: ServiceKey
    port_name: str
    kind: str
    endpoints: tuple[Endpoint, ...]
    affinity_seconds: int = 0
    sources: tuple[IPv4Network | IPv6Network, ...] = ()

    def admits(self, client: str) -> bool:
        """Whether a client of that address may connect."""
        if not self.sources:
            return True
        address = ip_address(client)
        return any(address in network for network in self.sources)


Rules = dict[Frontend, Rule]


def rules_of(service: Object, slices: Iterable[Object], node: Node) -> Rules:
    """The frontends of one Service on `node`; those without a usable endpoint are left out."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName" or spec.get("clusterIP", "") in ("", "None"):
        return {}
    metadata = service["metadata"]
    key = (metadata["namespace"], metadata["name"])
    affinity = _affinity_seconds(spec)
    slices = list(slices)
    sources = _sources(spec)
    rules: Rules = _health_checks(key, spec, slices, node)
    for port in spec.get("ports") or ():
        protocol = port.get("protocol", "TCP")
        if protocol not in PROTOCOLS:
            continue
        for kind, address, number, local in _addresses(service, port, node):
            family = "IPv6" if ":" in address else "IPv4"
            endpoints = _usable(_reachable(slices, port.get("name") or "", protocol, family), node, local)
            if endpoints:
                admitted = sources if kind == LOAD_BALANCER else ()
                rule = Rule(key, port.get("name") or "", kind, endpoints, affinity, admitted)
                rules.setdefault(Frontend(protocol, address, number), rule)
    return rules


def _addresses(service: Object, port: Object, node: Node) -> Iterable[tuple[str, str, int, bool]]:
    """(kind, address, port, only endpoints of this node) of everything a service port is reached by."""
    spec = service["spec"]
    internal = spec.get("internalTrafficPolicy") == "Local"
    external = spec.get("externalTrafficPolicy") == "Local"
    for address in spec.get("clusterIPs") or [spec["clusterIP"]]:
        yield CLUSTER_IP, address, port["port"], internal
    if port.get("nodePort"):
        for address in node.addresses:
            yield NODE_PORT, address, port["nodePort"], external
    for address in spec.get("externalIPs") or ():
        yield EXTERNAL_IP, address, port["port"], external
    for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield LOAD_BALANCER, ingress["ip"], port["port"], external


def _health_checks(key: ServiceKey, spec: Object, slices: list[Object], node: Node) -> Rules:
    """Where a load balancer asks whether this node has an endpoint (pkg/proxy/healthcheck)."""
    number = spec.get("healthCheckNodePort")
    if not number or spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        return {}
    local = {
        (endpoint["addresses"][0], 0): None
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if endpoint.get("nodeName") == node.name
        and _condition(endpoint.get("conditions") or {}, "ready", True)
    }
    rule = Rule(key, "", HEALTH_CHECK, tuple(local))
    return {Frontend("TCP", address, number): rule for address in node.addresses}


def _sources(spec: Object) -> tuple[IPv4Network | IPv6Network, ...]:
    texts = spec.get("loadBalancerSourceRanges") or ()
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def _reachable(
    slices: list[Object], port_name: str, protocol: str, family: str
) -> Iterator[tuple[Object, int]]:
    """The endpoints that have a port of this name, and its number."""
    for piece in slices:
        if piece["addressType"] == family and (number := _port_number(piece, port_name, protocol)):
            for endpoint in piece.get("endpoints") or ():
                yield endpoint, number


def _usable(reachable: Iterable[tuple[Object, int]], node: Node, local: bool) -> tuple[Endpoint, ...]:
    ready: dict[Endpoint, Object] = {}
    draining: dict[Endpoint, None] = {}
    for endpoint, number in reachable:
        if local and endpoint.get("nodeName") != node.name:
            continue
        conditions = endpoint.get("conditions") or {}
        is_ready = _condition(conditions, "ready", True)
        if is_ready:
            ready[endpoint["addresses"][0], number] = endpoint.get("hints") or {}
        elif _condition(conditions, "serving", is_ready) and _condition(conditions, "terminating", False):
            draining[endpoint["addresses"][0], number] = None
    return tuple(ready if local else _meant_for(ready, node)) or tuple(draining)


def _meant_for(ready: dict[Endpoint, Object], node: Node) -> Iterable[Endpoint]:
    """The endpoints whose hints say this node, else this zone, else all of them."""
    for kind, name in (("forNodes", node.name), ("forZones", node.zone)):
        if all(hints.get(kind) for hints in ready.values()):
            meant = [one for one, hints in ready.items() if any(h["name"] == name for h in hints[kind])]
            if meant:
                return meant
    return ready


def _condition(conditions: Object, name: str, default: bool) -> bool:
    value = conditions.get(name)
    return default if value is None else bool(value)


def _port_number(piece: Object, name: str, protocol: str) -> int:
    for port in piece.get("ports") or ():
        if (port.get("name") or "") == name and port.get("protocol", "TCP") == protocol:
            return port.get("port") or 0
    return 0


def _affinity_seconds(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS


@dataclass(slots=True)
class Changes:
    """What to do so that the sockets match the table again.

    `removed` before `set`: a set frontend is new, or leads elsewhere than before. `contested`
    are frontends that the Service asked for and another Service holds.
    """

    removed: list[Frontend] = field(default_factory=list)
    set: Rules = field(default_factory=dict)
    contested: list[tuple[Frontend, ServiceKey]] = field(default_factory=list)


class Table:
    """Every frontend of the node. A change costs as much as the Service that changes, not as all.

    Two Services may ask for the same externalIP and port: the one that came first keeps it, and
    the other takes over when that goes.
    """

    def __init__(self) -> None:
        self._rules: dict[ServiceKey, Rules] = {}
        self._claims: dict[Frontend, list[ServiceKey]] = {}

    def update(self, service: ServiceKey, rules: Rules) -> Changes:
        """Replace the rules of one Service; `{}` when it is gone."""
        old = self._rules.pop(service, {})
        if rules:
            self._rules[service] = rules
        changes = Changes()
        for frontend in old:
            if frontend not in rules:
                self._release(frontend, service, changes)
        for frontend, rule in rules.items():
            claims = self._claims.setdefault(frontend, [])
            if service not in claims:
                claims.append(service)
            if claims[0] == service:
                if old.get(frontend) != rule:
                    changes.set[frontend] = rule
            elif frontend not in old:
                changes.contested.append((frontend, claims[0]))
        return changes

    def _release(self, frontend: Frontend, service: ServiceKey, changes: Changes) -> None:
        claims = self._claims[frontend]
        held = claims[0] == service
        claims.remove(service)
        if not claims:
            del self._claims[frontend]
            changes.removed.append(frontend)
        elif held:
            changes.set[frontend] = self._rules[claims[0]][frontend]
