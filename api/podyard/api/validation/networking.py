"""Ingresses and network policies (k8s.io/kubernetes pkg/apis/networking/validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    indexed,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from podyard.api.validation.labels import label_selector

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def ingress(obj: Object) -> Errors:
    """An Ingress: a default backend or rules, each with whole paths."""
    spec = obj.get("spec") or {}
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        yield invalid("spec", spec, "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        yield from _backend("spec.defaultBackend", spec["defaultBackend"])
    if spec.get("ingressClassName"):
        yield from formats.dns_subdomain("spec.ingressClassName", spec["ingressClassName"])
    for at, rule in indexed("spec.rules", spec.get("rules")):
        yield from _host(f"{at}.host", rule.get("host"))
        http = rule.get("http")
        if http is not None and not http.get("paths"):
            yield required(f"{at}.http.paths")
        for path_at, path in indexed(f"{at}.http.paths", (http or {}).get("paths")):
            yield from _path(path_at, path)
    for at, tls in indexed("spec.tls", spec.get("tls")):
        for host_at, host in indexed(f"{at}.hosts", tls.get("hosts")):
            yield from _host(host_at, host)


def _host(path: str, host: str | None) -> Errors:
    if not host:
        return
    if formats.parse_ip(host) is not None:
        yield invalid(path, host, "must be a DNS name, not an IP address")
    elif "*" in host:
        yield from invalid_all(path, host, names.is_wildcard_dns1123_subdomain(host))
    else:
        yield from formats.dns_subdomain(path, host)


def _path(path: str, given: Object) -> Errors:
    kind, text = given.get("pathType"), given.get("path") or ""
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
    elif kind not in _PATH_TYPES:
        yield not_supported(f"{path}.pathType", kind, _PATH_TYPES)
    if not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        yield invalid(f"{path}.path", text, "must be an absolute path")
    for part in ("//", "/./", "/../", "%2f", "%2F") if kind != "ImplementationSpecific" else ():
        if part in text:
            yield invalid(f"{path}.path", text, f"must not contain '{part}'")
    yield from _backend(f"{path}.backend", given.get("backend") or {})


def _backend(path: str, backend: Object) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif service is not None:
        if not service.get("name"):
            yield required(f"{path}.service.name")
        else:
            errors = names.is_dns1035_label(service["name"])
            yield from invalid_all(f"{path}.service.name", service["name"], errors)
        port = service.get("port") or {}
        if port.get("name") and port.get("number"):
            yield invalid(path, "", "cannot set both port name & port number")
        elif port.get("name"):
            errors = names.is_port_name(port["name"])
            yield from invalid_all(f"{path}.service.port.name", port["name"], errors)
        elif port.get("number"):
            yield from formats.port(f"{path}.service.port.number", port["number"])
        else:
            yield required(path, "port name or number is required")
    elif resource is None:
        yield invalid(path, "", "resource or service backend is required")


def network_policy(obj: Object) -> Errors:
    """A NetworkPolicy: ports and peers of its rules."""
    spec = obj.get("spec") or {}
    yield from label_selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in indexed(f"spec.{direction}", spec.get(direction)):
            for port_at, port in indexed(f"{at}.ports", rule.get("ports")):
                yield from _policy_port(port_at, port)
            for peer_at, peer in indexed(f"{at}.{peers}", rule.get(peers)):
                yield from _peer(peer_at, peer)
    for kind in spec.get("policyTypes") or []:
        if kind not in ("Egress", "Ingress"):
            yield not_supported("spec.policyTypes", kind, ("Egress", "Ingress"))


def _policy_port(path: str, port: Object) -> Errors:
    number, end = port.get("port"), port.get("endPort")
    if port.get("protocol") not in (None, *formats.PROTOCOLS):
        yield not_supported(f"{path}.protocol", port["protocol"], formats.PROTOCOLS)
    if number is not None:
        yield from formats.port_or_name(f"{path}.port", number)
    if end is not None:
        if number is None:
            yield required(f"{path}.port", "must be specified when `endPort` is specified")
        elif isinstance(number, str):
            yield invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
        elif end < number:
            yield invalid(f"{path}.endPort", end, "must be greater than or equal to `port`")


def _peer(path: str, peer: Object) -> Errors:
    pods, namespaces, block = (peer.get(key) for key in ("podSelector", "namespaceSelector", "ipBlock"))
    yield from label_selector(f"{path}.podSelector", pods)
    yield from label_selector(f"{path}.namespaceSelector", namespaces)
    if pods is None and namespaces is None and block is None:
        yield required(path, "must specify a peer")
    if block is not None:
        if pods is not None or namespaces is not None:
            yield forbidden(path, "may not specify both ipBlock and another peer")
        if not block.get("cidr"):
            yield required(f"{path}.ipBlock.cidr")
        else:
            yield from formats.cidr(f"{path}.ipBlock.cidr", block["cidr"])
        for at, network in indexed(f"{path}.ipBlock.except", block.get("except")):
            yield from formats.cidr(at, network)
