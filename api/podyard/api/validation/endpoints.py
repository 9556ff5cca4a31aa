"""Endpoints and EndpointSlices (core/validation, pkg/apis/discovery/validation)."""

from __future__ import annotations

import ipaddress

from podyard.api import names
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    immutable,
    indexed,
    invalid,
    invalid_all,
    one_of,
    required,
    too_many,
)
from podyard.api.validation.labels import label_key, labels

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS = 1000
_MAX_ADDRESSES = 100
_MAX_PORTS = 20000
_MAX_TOPOLOGY_LABELS = 16


def endpoints(obj: Object) -> Errors:
    """Endpoints, new or changed."""
    for at, subset in indexed("subsets", obj.get("subsets")):
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(at, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for address_at, address in indexed(f"{at}.{key}", subset.get(key)):
                yield from _address(address_at, address)
        ports = subset.get("ports") or []
        for port_at, port in indexed(f"{at}.ports", ports):
            yield from _port(port_at, port, needs_name=len(ports) > 1)


def _address(path: str, address: Object) -> Errors:
    text = address.get("ip") or ""
    errors = list(formats.ip(f"{path}.ip", text))
    yield from errors
    if address.get("hostname"):
        yield from formats.dns_label(f"{path}.hostname", address["hostname"])
    if address.get("nodeName") is not None:
        yield from formats.dns_subdomain(f"{path}.nodeName", address["nodeName"])
    if not errors:
        yield from formats.endpoint_ip(f"{path}.ip", text)


def _port(path: str, port: Object, *, needs_name: bool) -> Errors:
    if port.get("name"):
        yield from formats.dns_label(f"{path}.name", port["name"])
    elif needs_name:
        yield required(f"{path}.name")
    yield from formats.port(f"{path}.port", port.get("port") or 0)
    yield from one_of(f"{path}.protocol", port.get("protocol"), formats.PROTOCOLS)
    if port.get("appProtocol") is not None:
        yield from label_key(f"{path}.appProtocol", port["appProtocol"])


def slice_create(obj: Object) -> Errors:
    """A new EndpointSlice."""
    kind = obj.get("addressType") or ""
    yield from one_of("addressType", kind, _ADDRESS_TYPES)
    yield from _slice_endpoints(obj.get("endpoints") or [], kind)
    yield from _slice_ports(obj.get("ports") or [])


def slice_update(new: Object, old: Object) -> Errors:
    """An EndpointSlice that replaces `old`: the kind of its addresses stays."""
    yield from slice_create(new)
    yield from immutable("addressType", new.get("addressType"), old.get("addressType"))


def _slice_endpoints(given: list[Object], kind: str) -> Errors:
    if len(given) > _MAX_ENDPOINTS:
        yield too_many("endpoints", len(given), _MAX_ENDPOINTS)
        return
    for at, endpoint in indexed("endpoints", given):
        addresses = endpoint.get("addresses") or []
        if not addresses:
            yield required(f"{at}.addresses", "must contain at least 1 address")
        elif len(addresses) > _MAX_ADDRESSES:
            yield too_many(f"{at}.addresses", len(addresses), _MAX_ADDRESSES)
        for address_at, address in indexed(f"{at}.addresses", addresses):
            yield from _slice_address(address_at, address, kind)
        topology = endpoint.get("deprecatedTopology") or {}
        if len(topology) > _MAX_TOPOLOGY_LABELS:
            yield too_many(f"{at}.deprecatedTopology", len(topology), _MAX_TOPOLOGY_LABELS)
        yield from labels(f"{at}.deprecatedTopology", topology)
        if endpoint.get("nodeName") is not None:
            yield from formats.dns_subdomain(f"{at}.nodeName", endpoint["nodeName"])
        if endpoint.get("hostname") is not None:
            yield from formats.dns_label(f"{at}.hostname", endpoint["hostname"])


def _slice_address(path: str, address: str, kind: str) -> Errors:
    if kind == "FQDN":
        yield from _domain_name(path, address)
        return
    if kind not in ("IPv4", "IPv6"):
        return
    wanted = ipaddress.IPv4Address if kind == "IPv4" else ipaddress.IPv6Address
    if isinstance(formats.parse_ip(address), wanted):
        yield from formats.endpoint_ip(path, address)
    else:
        yield invalid(path, address, f"must be a valid {kind} address")


def _domain_name(path: str, name: str) -> Errors:
    plain = name.removesuffix(".")
    if not name:
        yield required(path)
    elif errors := names.is_dns1123_subdomain(plain):
        yield invalid(path, plain, ",".join(errors))
    elif "." not in plain:
        yield invalid(path, plain, "should be a domain with at least two segments separated by dots")


def _slice_ports(ports: list[Object]) -> Errors:
    if len(ports) > _MAX_PORTS:
        yield too_many("ports", len(ports), _MAX_PORTS)
        return
    seen: set[str] = set()
    for at, port in indexed("ports", ports):
        name = port.get("name") or ""
        if name:
            yield from formats.dns_label(f"{at}.name", name)
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        yield from one_of(f"{at}.protocol", port.get("protocol"), formats.PROTOCOLS)
        if port.get("port") is not None:
            yield from formats.port(f"{at}.port", port["port"])
        if port.get("appProtocol") is not None:
            yield from invalid_all(
                f"{at}.appProtocol", port["appProtocol"], names.is_qualified_name(port["appProtocol"])
            )
