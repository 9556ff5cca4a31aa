"""Taking ClusterIPs and node ports: pure, by asking which are taken.

Numbers are drawn at random from the upper part of a range; its lower part is for those who ask
by number, and is drawn from last (KEP-3070, KEP-3668). Messages are those of
pkg/registry/core/service/{ipallocator,portallocator,storage}.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
from collections.abc import Callable

from podyard.api.errors import FieldError, internal_error
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Ranges
from podyard.apiserver.registry.strategies.service_fields import (
    HEADLESS,
    cluster_ips,
    needs_cluster_ip,
    needs_health_check_port,
    needs_node_port,
    node_ports,
)

Taken = Callable[[str], bool]
"""Whether another Service has an address or node port, given as text."""

_TAKEN_PORT = "provided port is already allocated"


def allocate(spec: Object, before: Object, taken: Taken, ranges: Ranges) -> list[FieldError]:
    """Complete `spec`, whose earlier form is `before` (empty for a new one)."""
    errors = _families(spec)
    if errors:
        return errors
    if needs_cluster_ip(spec) and spec.get("clusterIP") != HEADLESS:
        errors += _cluster_ip(spec, cluster_ips(before), taken, ranges)
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        errors += _node_ports(spec, node_ports(before), taken, ranges.node_ports)
    if needs_health_check_port(spec):
        errors += _health_check_port(spec, before, taken, ranges.node_ports)
    return errors


def _families(spec: Object) -> list[FieldError]:
    """Set ipFamilies and ipFamilyPolicy of a cluster that has IPv4 alone (initIPFamilyFields)."""
    if not needs_cluster_ip(spec):
        return []
    headless_without_selector = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
    if headless_without_selector:
        families = spec.setdefault("ipFamilies", []) or []
        if not families:
            spec["ipFamilies"] = families = ["IPv4"]
        if spec.setdefault("ipFamilyPolicy", "RequireDualStack") != "SingleStack" and len(families) == 1:
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")
        return []
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family != "IPv4":
            message = f'Invalid value: "{family}": not configured on this cluster'
            return [FieldError(f"spec.ipFamilies[{index}]", "FieldValueInvalid", message)]
    if spec.setdefault("ipFamilyPolicy", "SingleStack") == "RequireDualStack":
        message = 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
        return [FieldError("spec.ipFamilyPolicy", "FieldValueInvalid", message)]
    spec["ipFamilies"] = spec.get("ipFamilies") or ["IPv4"]
    return []


def _cluster_ip(spec: Object, held: list[str], taken: Taken, ranges: Ranges) -> list[FieldError]:
    asked = cluster_ips(spec)
    if not asked:
        address = _draw_address(lambda ip: ip in ranges.reserved or taken(ip), ranges.service_cidr)
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
        return []
    if asked == held:
        return []
    address = asked[0]
    if _is_malformed(address):  # validation says so
        return []
    why = _address_error(address, taken, ranges.service_cidr)
    if not why:
        return []
    message = f"Invalid value: {json.dumps(asked)}: failed to allocate IP {address}: {why}"
    return [FieldError("spec.clusterIPs", "FieldValueInvalid", message)]


def _is_malformed(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def _address_error(text: str, taken: Taken, cidr: ipaddress.IPv4Network) -> str:
    address = ipaddress.ip_address(text)
    usable = address in cidr and address not in (cidr.network_address, cidr.broadcast_address)
    if not usable:
        return f"the provided IP ({text}) is not in the valid range. The range of valid IPs is {cidr}"
    return "provided IP is already allocated" if taken(text) else ""


def _draw_address(taken: Taken, cidr: ipaddress.IPv4Network) -> str:
    base, last = int(cidr.network_address), cidr.num_addresses - 1  # the last one is the broadcast address
    split = min(max(16, cidr.num_addresses // 16), 256) if cidr.num_addresses > 32 else 1
    offset = _draw(range(1, last), split, lambda n: taken(str(ipaddress.IPv4Address(base + n))))
    if offset is None:
        raise internal_error("failed to allocate a serviceIP: range is full")
    return str(ipaddress.IPv4Address(base + offset))


def _node_ports(spec: Object, held: set[int], taken: Taken, allowed: range) -> list[FieldError]:
    errors = []
    mine: set[int] = set()
    by_port: dict[int, tuple[int, set[str]]] = {}  # service port → its node port and protocols
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("nodePort") or 0
        if not number:
            continue
        why = "" if number in held | mine else _port_error(number, taken, allowed)
        if why:
            path = f"spec.ports[{index}].nodePort"
            errors.append(FieldError(path, "FieldValueInvalid", f"Invalid value: {number}: {why}"))
        mine.add(number)
        by_port.setdefault(port.get("port", 0), (number, set()))[1].add(port.get("protocol", "TCP"))
    if errors:
        return errors
    for port in (spec.get("ports") or ()) if needs_node_port(spec) else ():
        if port.get("nodePort"):
            continue
        number, protocols = by_port.get(port.get("port", 0), (0, set()))
        protocol = port.get("protocol", "TCP")
        if not number or protocol in protocols:  # TCP and UDP of one port share a node port
            number, protocols = _draw_port(mine, taken, allowed), set()
            by_port[port.get("port", 0)] = (number, protocols)
        protocols.add(protocol)
        mine.add(number)
        port["nodePort"] = number
    return []


def _health_check_port(spec: Object, before: Object, taken: Taken, allowed: range) -> list[FieldError]:
    number = spec.get("healthCheckNodePort") or 0
    mine = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if not number:
        spec["healthCheckNodePort"] = _draw_port(mine, taken, allowed)
        return []
    why = _TAKEN_PORT if number in mine else _port_error(number, taken, allowed)
    if why and number != before.get("healthCheckNodePort"):
        message = f"Invalid value: {number}: {why}"
        return [FieldError("spec.healthCheckNodePort", "FieldValueInvalid", message)]
    return []


def _port_error(number: int, taken: Taken, allowed: range) -> str:
    if number not in allowed:
        valid = f"{allowed.start}-{allowed.stop - 1}"
        return f"provided port is not in the valid range. The range of valid ports is {valid}"
    return _TAKEN_PORT if taken(str(number)) else ""


def _draw_port(mine: set[int], taken: Taken, allowed: range) -> int:
    split = min(max(16, len(allowed) // 32), 128) if len(allowed) > 32 else 0
    number = _draw(allowed, split, lambda n: n in mine or taken(str(n)))
    if number is None:
        raise internal_error("failed to allocate a nodePort: range is full")
    return number


def _draw(numbers: range, split: int, taken: Callable[[int], bool]) -> int | None:
    """A free number, from those after the first `split` while there are any.

    It is the first free one after a random one: how many are looked at depends on how full the range is.
    """
    for part in (numbers[split:], numbers[:split]):
        start = random.randrange(len(part)) if part else 0
        for number in itertools.chain(part[start:], part[:start]):
            if not taken(number):
                return number
    return None
