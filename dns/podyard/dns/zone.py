"""What the cluster domain holds: pure functions from Services and EndpointSlices to records.

The names are those of the Kubernetes DNS specification 1.1.0
(https://github.com/kubernetes/dns/blob/master/docs/specification.md); where it leaves a choice,
they are CoreDNS' (SRV weights, endpoint names of Services with a ClusterIP, pod names "insecure").
All names are lower case and without a final dot.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from podyard.dns.types import AAAA, CNAME, NS, PTR, SOA, SRV, TXT, A

Object = dict[str, Any]
ServiceKey = tuple[str, str]
"""(namespace, name)"""

SCHEMA_VERSION = "1.1.0"


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


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a name: nothing (NXDOMAIN), or record sets, perhaps none (NODATA)."""

    exists: bool
    sets: RecordSets


NOTHING = Found(False, {})
EMPTY = Found(True, {})


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


def reverse_name(address: str) -> str:
    """4.3.2.1.in-addr.arpa for 1.2.3.4; ip6.arpa for an IPv6 address."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    return ipaddress.ip_address(address).reverse_pointer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Zone:
    """The cluster domain and the reverse names of its addresses.

    A change of a Service replaces just its own records; `update` gives the names whose answers it
    changes, which is what a store of ready answers must forget.
    """

    def __init__(self, domain: str, server_address: str) -> None:
        self.domain = domain
        self._server_address = server_address
        self._services: dict[ServiceKey, Records] = {}
        self._owners: dict[str, dict[ServiceKey, RecordSets]] = {}
        self._below: dict[str, int] = {}  # how many names end in this one; an empty non-terminal has some
        self._namespaces: set[str] = set()
        self.soa = Soa(f"ns.dns.{domain}", f"hostmaster.{domain}")
        self._fixed = _fixed_records(domain, self.soa, server_address)
        for name in self._fixed:
            self._count(name, 1)

    def __len__(self) -> int:
        """How many names have records."""
        return len(self._owners) + len(self._fixed)

    def update(self, service: ServiceKey, records: Records) -> set[str]:
        """Replace the records of one Service ({} when it is gone); the names that this touches."""
        old = self._services.pop(service, {})
        if records:
            self._services[service] = records
        changed = {name for name in old.keys() | records.keys() if old.get(name) != records.get(name)}
        touched = set(changed)
        for name in changed:
            owners = self._owners.setdefault(name, {})
            had_some = bool(owners)
            owners.pop(service, None)
            if name in records:
                owners[service] = records[name]
            if not owners:
                del self._owners[name]
                touched |= self._count(name, -1)
            elif not had_some:
                touched |= self._count(name, 1)
        return touched

    def add_namespace(self, namespace: str) -> set[str]:
        """The namespace exists: its names do, too. The names that this touches."""
        self._namespaces.add(namespace)
        return {f"{namespace}.{kind}.{self.domain}" for kind in ("svc", "pod")}

    def remove_namespace(self, namespace: str) -> set[str]:
        """The opposite."""
        self._namespaces.discard(namespace)
        return {f"{namespace}.{kind}.{self.domain}" for kind in ("svc", "pod")}

    def depends_on(self, name: str) -> tuple[str, ...]:
        """The names whose change changes what `lookup` says of `name`."""
        above = name.partition(".")[2]
        return (name, above) if above.endswith(f".pod.{self.domain}") else (name,)

    def covers(self, name: str) -> bool:
        """Whether this zone alone answers for `name`: the domain, and reverse names that it has."""
        return self.contains(name) or name in self._owners

    def contains(self, name: str) -> bool:
        """Whether `name` is in the cluster domain."""
        return name == self.domain or name.endswith("." + self.domain)

    def lookup(self, name: str) -> Found:
        """What is at `name`, in lower case."""
        owners = self._owners.get(name)
        if owners is not None:
            if len(owners) == 1:
                (sets,) = owners.values()
                return Found(True, sets)
            return Found(True, _merge(owners.values()))
        fixed = self._fixed.get(name)
        if fixed is not None:
            return Found(True, fixed)
        if name in self._below:
            return EMPTY
        return self._namespace_or_pod(name)

    def _namespace_or_pod(self, name: str) -> Found:
        """NAMESPACE.svc, NAMESPACE.pod and the deprecated A-B-C-D.NAMESPACE.pod (section 2.6)."""
        if not name.endswith((f".svc.{self.domain}", f".pod.{self.domain}")):
            return NOTHING
        *labels, kind = name[: -len(self.domain) - 1].split(".")
        if not labels or labels[-1] not in self._namespaces:
            return NOTHING
        if len(labels) == 1:
            return EMPTY
        if len(labels) == 2 and kind == "pod":
            return _pod(labels[0])
        return NOTHING

    def _count(self, name: str, step: int) -> set[str]:
        """Count `name` on all names above it in the domain; those that come or go by that."""
        changed = set()
        while self.contains(name) and name != self.domain:
            name = name.partition(".")[2]
            number = self._below.get(name, 0) + step
            if number:
                self._below[name] = number
            else:
                del self._below[name]
            if number == 0 or (number == 1 and step == 1):
                changed.add(name)
        return changed


def _fixed_records(domain: str, soa: Soa, server_address: str) -> Records:
    server = soa.primary
    return {
        domain: {SOA: (soa,), NS: (server,)},
        server: {AAAA if ":" in server_address else A: (server_address,)},
        f"dns-version.{domain}": {TXT: (SCHEMA_VERSION,)},
        f"svc.{domain}": {},
        f"pod.{domain}": {},
    }


def _merge(parts: Iterable[RecordSets]) -> RecordSets:
    merged: dict[int, dict[Data, None]] = {}
    for sets in parts:
        for kind, data in sets.items():
            merged.setdefault(kind, {}).update(dict.fromkeys(data))
    return {kind: tuple(data) for kind, data in merged.items()}


def _pod(label: str) -> Found:
    dotted = label.count("-") == 3 and "--" not in label
    text = label.replace("-", "." if dotted else ":")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return NOTHING
    return Found(True, {AAAA if address.version == 6 else A: (str(address),)})
