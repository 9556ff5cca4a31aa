"""What the cluster domain holds: every name's records, from the Services and EndpointSlices themselves.

A cluster has a hundred thousand names of which few are ever asked for, so records are made when
they are: from the one Service that a name belongs to, which is in the name; for a reverse name, from
those that have the address.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podyard.dns.records import (
    Data,
    Object,
    Records,
    RecordSets,
    ServiceKey,
    Soa,
    address_of,
    addresses_of,
    records_of,
)
from podyard.dns.types import AAAA, NS, SOA, TXT, A

SCHEMA_VERSION = "1.1.0"
RECENT_NAMES = 10_000
"""Names whose records are at hand, about 5 MB; with more, those of all Services are made anew."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a name: nothing (NXDOMAIN), or record sets, perhaps none (NODATA)."""

    exists: bool
    sets: RecordSets


NOTHING = Found(False, {})
EMPTY = Found(True, {})


class Zone:
    """The cluster domain and the reverse names of its addresses.

    A change of a Service replaces just its own records; `update` gives the names whose answers it
    changes, which is what a store of ready answers must forget.
    """

    def __init__(self, domain: str, server_address: str) -> None:
        self.domain = domain
        self.soa = Soa(f"ns.dns.{domain}", f"hostmaster.{domain}")
        self._services: dict[ServiceKey, tuple[Object, Sequence[Object]]] = {}
        self._by_address: dict[str, tuple[ServiceKey, ...]] = {}
        self._namespaces: set[str] = set()
        self._in_namespace: Counter[str] = Counter()
        self._recent: dict[ServiceKey, Records] = {}
        self._recent_names = 0
        self._fixed = _fixed_records(domain, self.soa, server_address)

    def __len__(self) -> int:
        """How many Services there are."""
        return len(self._services)

    def load(self, key: ServiceKey, service: Object | None, slices: Sequence[Object] = ()) -> None:
        """Take a Service as it is now; None when it is gone. The objects must not change afterwards."""
        old = self._services.pop(key, None)
        if old is not None:
            self._in_namespace[key[0]] -= 1
            for address in addresses_of(*old):
                others = tuple(one for one in self._by_address.get(address, ()) if one != key)
                if others:
                    self._by_address[address] = others
                else:
                    self._by_address.pop(address, None)
        if service is not None:
            self._services[key] = service, slices
            self._in_namespace[key[0]] += 1
            alone = (key,)
            for address in addresses_of(service, slices):
                others = self._by_address.get(address, ())
                self._by_address[address] = (*others, key) if others else alone
        self._recent_names -= len(self._recent.pop(key, ()))

    def update(self, key: ServiceKey, service: Object | None, slices: Sequence[Object] = ()) -> set[str]:
        """The same, and the names whose answers this changes."""
        before, there = self._records(key), self._has_namespace(key[0])
        self.load(key, service, slices)
        after = self._records(key)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if there != self._has_namespace(key[0]):
            changed.add(f"{key[0]}.svc.{self.domain}")
        return changed

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
        return self.contains(name) or address_of(name) in self._by_address

    def contains(self, name: str) -> bool:
        """Whether `name` is in the cluster domain."""
        return name == self.domain or name.endswith("." + self.domain)

    def lookup(self, name: str) -> Found:
        """What is at `name`, in lower case."""
        fixed = self._fixed.get(name)
        if fixed is not None:
            return Found(True, fixed)
        if not self.contains(name):
            parts = (self._records(key).get(name, {}) for key in self._by_address.get(address_of(name), ()))
            sets = _merge(parts)
            return Found(True, sets) if sets else NOTHING
        *labels, kind = name[: -len(self.domain) - 1].split(".")
        if kind == "svc" and len(labels) == 1:
            return EMPTY if self._has_namespace(labels[0]) else NOTHING
        if kind == "svc" and labels:
            records = self._records((labels[-1], labels[-2])).get(name)
            return NOTHING if records is None else Found(True, records)
        if kind == "pod" and labels and labels[-1] in self._namespaces:
            return EMPTY if len(labels) == 1 else _pod(*labels[:-1])
        return NOTHING

    def _has_namespace(self, namespace: str) -> bool:
        return namespace in self._namespaces or self._in_namespace[namespace] > 0

    def _records(self, key: ServiceKey) -> Records:
        """The records of one Service, and the names above these that have none of their own."""
        records = self._recent.get(key)
        if records is None and key in self._services:
            records = _with_empty_names(records_of(*self._services[key], self.domain))
            self._recent_names += len(records)
            if self._recent_names > RECENT_NAMES:
                self._recent.clear()
                self._recent_names = len(records)
            self._recent[key] = records
        return records or {}


def _with_empty_names(records: Records) -> Records:
    """Add those between a record's name and its Service's (empty non-terminals), such as _tcp.SERVICE."""
    above = {
        name.partition(".")[2]: RecordSets() for name in records if name.startswith("_") and "._" in name
    }
    return {**above, **records}


def _fixed_records(domain: str, soa: Soa, server_address: str) -> Records:
    server = soa.primary
    return {
        domain: {SOA: (soa,), NS: (server,)},
        server: {AAAA if ":" in server_address else A: (server_address,)},
        f"dns-version.{domain}": {TXT: (SCHEMA_VERSION,)},
        f"dns.{domain}": {},
        f"svc.{domain}": {},
        f"pod.{domain}": {},
    }


def _merge(parts: Iterable[RecordSets]) -> RecordSets:
    merged: dict[int, dict[Data, None]] = {}
    for sets in parts:
        for kind, data in sets.items():
            merged.setdefault(kind, {}).update(dict.fromkeys(data))
    return {kind: tuple(data) for kind, data in merged.items()}


def _pod(label: str, *above: str) -> Found:
    """The deprecated A-B-C-D.NAMESPACE.pod (section 2.6), whether there is such a pod or not."""
    if above:
        return NOTHING
    dotted = label.count("-") == 3 and "--" not in label
    text = label.replace("-", "." if dotted else ":")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return NOTHING
    return Found(True, {AAAA if address.version == 6 else A: (str(address),)})
