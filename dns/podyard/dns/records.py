"""Which records a Service has: pure functions from Services and EndpointSlices to records.

The names are those of the Kubernetes DNS specification 1.1.0
(https://github.com/kubernetes/dns/blob/master/docs/specification.md); where it leaves a choice,
they are CoreDNS' (SRV weights, endpoint names of Services with a ClusterIP, pod names "insecure").
All names are lower case and without a final dot.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

from podyard.dns.types import AAAA, CNAME, PTR, SRV, A

Object = dict[str, Any]
ServiceKey = tuple[str, str]
"""(namespace, name)"""


class Srv(NamedTuple):
    """The data of an SRV record."""

    priority: int
    weight: int
    port: int
    target: str


class Soa(NamedTuple):
    """The data of an SOA record, without its numbers (see `podyard.dns.absence`)."""

    primary: str
    contact: str


Data = str | Srv | Soa
"""A record's data: an address, a name or a text as str."""
RecordSets = dict[int, tuple[Data, ...]]
"""The records of one name, by type."""
Records = dict[str, RecordSets]


def records_of(service: Object, slices: Iterable[Object], domain: str) -> Records:
    """All records of one Service, those in the reverse zones included."""
    spec, metadata = service["spec"], service["metadata"]
    name = f"{metadata['name']}.{metadata['namespace']}.svc.{domain}".lower()
    if spec.get("type") == "ExternalName":
        target = spec.get("externalName", "").rstrip(".").lower()
        return {} if not target or _is_address(target) else {name: {CNAME: (target,)}}
    records = _Builder()
    endpoints = list(_endpoints(slices, bool(spec.get("publishNotReadyAddresses"))))
    for endpoint in endpoints:
        host = f"{endpoint.hostname}.{name}"
        records.add_address(host, endpoint.address)
        records.add(reverse_name(endpoint.address), PTR, host)
    if spec.get("clusterIP") == "None":
        _headless(records, name, endpoints)
    elif spec.get("clusterIP"):
        addresses = spec.get("clusterIPs") or [spec["clusterIP"]]
        for address in addresses:
            records.add_address(name, address)
            records.add(reverse_name(address), PTR, name)
        for port in spec.get("ports") or ():
            if port.get("name"):
                owner = f"_{port['name']}._{port.get('protocol', 'TCP')}.{name}".lower()
                records.add(owner, SRV, Srv(0, 100, port["port"], name))
    return records.done()


def _headless(records: _Builder, name: str, endpoints: list[_Endpoint]) -> None:
    targets: dict[str, dict[tuple[int, str], None]] = {}
    for endpoint in endpoints:
        records.add_address(name, endpoint.address)
        for port_name, protocol, number in endpoint.ports:
            owner = f"_{port_name}._{protocol}.{name}".lower()
            targets.setdefault(owner, {})[number, f"{endpoint.hostname}.{name}"] = None
    for owner, found in targets.items():
        weight = max(100 // len(found), 1)
        for number, target in found:
            records.add(owner, SRV, Srv(0, weight, number, target))


class _Builder:
    def __init__(self) -> None:
        self._records: dict[str, dict[int, dict[Data, None]]] = {}

    def add(self, name: str, kind: int, data: Data) -> None:
        self._records.setdefault(name, {}).setdefault(kind, {})[data] = None

    def add_address(self, name: str, address: str) -> None:
        self.add(name, AAAA if ":" in address else A, address)

    def done(self) -> Records:
        return {
            name: {kind: tuple(data) for kind, data in sets.items()} for name, sets in self._records.items()
        }


class _Endpoint(NamedTuple):
    address: str
    hostname: str
    ports: tuple[tuple[str, str, int], ...]  # named ones


def _endpoints(slices: Iterable[Object], not_ready_too: bool) -> Iterable[_Endpoint]:
    for piece in slices:
        if piece["addressType"] == "FQDN":
            continue
        ports = tuple(
            (port["name"], port.get("protocol", "TCP"), port["port"])
            for port in piece.get("ports") or ()
            if port.get("name") and port.get("port")
        )
        for endpoint in piece.get("endpoints") or ():
            ready = (endpoint.get("conditions") or {}).get("ready")
            if ready is False and not not_ready_too:
                continue
            address = endpoint["addresses"][0]
            hostname = endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")
            yield _Endpoint(address, hostname.lower(), ports)


def addresses_of(service: Object, slices: Iterable[Object]) -> set[str]:
    """The addresses that have reverse names by a Service, in their usual form."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return set()
    found = {one.address for one in _endpoints(slices, bool(spec.get("publishNotReadyAddresses")))}
    if spec.get("clusterIP") not in (None, "", "None"):
        found.update(spec.get("clusterIPs") or [spec["clusterIP"]])
    return {str(ipaddress.ip_address(one)) if ":" in one else one for one in found}


def reverse_name(address: str) -> str:
    """4.3.2.1.in-addr.arpa for 1.2.3.4; ip6.arpa for an IPv6 address."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    return ipaddress.ip_address(address).reverse_pointer


def address_of(name: str) -> str:
    """The address of a reverse name; "" when `name` is none."""
    if name.endswith(".in-addr.arpa"):
        return ".".join(reversed(name.split(".")[:-2]))
    digits = name.removesuffix(".ip6.arpa").split(".")
    if name.endswith(".ip6.arpa") and len(digits) == 32:
        text = "".join(reversed(digits))
        try:
            return str(ipaddress.IPv6Address(int(text, 16)))
        except ValueError:
            return ""
    return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
