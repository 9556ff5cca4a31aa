"""From a query to its answer: what the zone knows, what to ask upstream, what to refuse."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import dnslib
from dnslib import RR, DNSRecord

from podyard.dns import addresses
from podyard.dns.absence import SOA_NUMBERS, Absence
from podyard.dns.addresses import FAMILIES
from podyard.dns.records import Data, Soa, Srv
from podyard.dns.types import (
    AAAA,
    ANY,
    AXFR,
    BADVERS,
    CLASS_IN,
    CNAME,
    IXFR,
    NOERROR,
    NS,
    NXDOMAIN,
    PTR,
    REFUSED,
    SERVFAIL,
    SOA,
    SRV,
    TXT,
    A,
)
from podyard.dns.wire import LARGEST_BYTES, OUR_UDP_BYTES, Query, in_case_of, label, pack, response
from podyard.dns.zone import Found, Zone

TTL = 5
"""CoreDNS' default for the names of a cluster."""
VERSION_TTL = 28800
CHASED = 8
"""Names that one ExternalName may lead through."""
ADDITIONAL_TARGETS = 50
"""SRV targets whose addresses come along."""


@dataclass(slots=True)
class Reply:
    """The answer's bytes, which hold for equal queries, too, as long as nothing changes at `names`.

    Without names the answer is for this query alone.
    """

    data: bytes
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Forward:
    """The query is for an upstream, as it is."""


@dataclass(slots=True)
class Chase:
    """An ExternalName leads out of the cluster: `record` wants the answer for `target` added."""

    record: DNSRecord
    target: str


class Responder:
    """Answers queries from the zone. Knows nothing of sockets.

    `recursion` says whether there are upstreams now. Until `ready` is set, names of the cluster give
    SERVFAIL, so that nobody believes them not to exist.
    """

    def __init__(self, zone: Zone, recursion: Callable[[], bool]) -> None:
        self._zone = zone
        self._recursion = recursion
        self._absence = Absence(zone.domain, zone.soa, TTL)
        self.ready = False

    def answer(self, query: Query, *, tcp: bool) -> Reply | Forward | Chase:
        """The answer, or what is to be asked elsewhere."""
        if query.edns_version:
            return Reply(self.failure(query, BADVERS, tcp=tcp))
        if query.class_ != CLASS_IN or query.type in (AXFR, IXFR):
            return Reply(self.failure(query, REFUSED, tcp=tcp))
        if not self._zone.covers(query.name):
            return Forward() if self._recursion() else Reply(self.failure(query, REFUSED, tcp=tcp))
        if not self.ready:
            return Reply(self.failure(query, SERVFAIL, tcp=tcp))
        found = self._zone.lookup(query.name)
        rcode = NOERROR if found.exists else NXDOMAIN
        if query.type not in found.sets and query.type != ANY and CNAME not in found.sets:
            absent = self._absence.answer(query, rcode, recursion=self._recursion())
            if absent is not None:
                return Reply(absent, self._zone.depends_on(query.name))
        if query.type in FAMILIES and query.type in found.sets:
            written = addresses.answer(query, _shuffled(found, query.type), TTL, recursion=self._recursion())
            if len(written) <= _most_bytes(query, tcp=tcp):
                return Reply(written, self._zone.depends_on(query.name))
        return self._from_records(query, found, rcode, tcp=tcp)

    def _from_records(self, query: Query, found: Found, rcode: int, *, tcp: bool) -> Reply | Chase:
        record = response(query, rcode, authoritative=True, recursion=self._recursion())
        names = {query.name: None}
        leads_to = self._fill(record, query, found, names)
        if leads_to and self._recursion():
            return Chase(record, leads_to)
        below = (above for name in names for above in self._zone.depends_on(name))
        return Reply(self.finish(record, query, tcp=tcp), tuple(below))

    def failure(self, query: Query, rcode: int, *, tcp: bool) -> bytes:
        """An answer with no records and this response code."""
        record = response(query, rcode, authoritative=False, recursion=self._recursion())
        return self.finish(record, query, tcp=tcp, extended=rcode >> 4)

    def finish(self, record: DNSRecord, query: Query, *, tcp: bool, extended: int = 0) -> bytes:
        """The bytes of `record`, with EDNS if the query had it, cut to what the client takes."""
        if query.edns:
            flags = "do" if query.dnssec_ok else ""
            record.add_ar(dnslib.EDNS0(flags=flags, udp_len=OUR_UDP_BYTES, ext_rcode=extended))
        return in_case_of(query, pack(record, _most_bytes(query, tcp=tcp)))

    def _fill(self, record: DNSRecord, query: Query, found: Found, names: dict[str, None]) -> str:
        """Add the answers; the name outside of the cluster that they lead to, if they do.

        What was looked up is added to `names`.
        """
        name, owner = query.name, query.label
        for _ in range(CHASED):
            alias = found.sets.get(CNAME)
            if alias is None or query.type in (CNAME, ANY):
                break
            record.add_answer(_rr(owner, CNAME, alias[0]))
            name = str(alias[0])
            owner = label(name)
            if not self._zone.covers(name):
                return name
            names[name] = None
            found = self._zone.lookup(name)
        kinds = list(found.sets) if query.type == ANY else [query.type]
        for kind in kinds:
            data = _shuffled(found, kind)
            record.add_answer(*(_rr(owner, kind, one) for one in data))
            if kind == SRV:
                self._add_targets(record, data, names)
        if not record.rr or (not found.exists and record.rr[-1].rtype == CNAME):
            self._add_soa(record)
        return ""

    def _add_targets(self, record: DNSRecord, data: list[Data], names: dict[str, None]) -> None:
        targets = dict.fromkeys(one.target for one in data if isinstance(one, Srv))
        for target in list(targets)[:ADDITIONAL_TARGETS]:
            names[target] = None
            sets = self._zone.lookup(target).sets
            for kind in (A, AAAA):
                record.add_ar(*(_rr(label(target), kind, one) for one in sets.get(kind, ())))

    def _add_soa(self, record: DNSRecord) -> None:
        """How long "no" may be kept (RFC 2308)."""
        record.add_auth(_rr(label(self._zone.domain), SOA, self._zone.soa))


def _most_bytes(query: Query, *, tcp: bool) -> int:
    return LARGEST_BYTES if tcp else query.udp_bytes


def _shuffled(found: Found, kind: int) -> list[Data]:
    """Who takes the first of several addresses is spread over all."""
    data = list(found.sets.get(kind, ()))
    random.shuffle(data)
    return data


def _rr(owner: dnslib.DNSLabel, kind: int, data: Data) -> RR:
    return RR(owner, kind, ttl=VERSION_TTL if kind == TXT else TTL, rdata=_rdata(kind, data))


def _rdata(kind: int, data: Data) -> dnslib.RD:
    if isinstance(data, Srv):
        return dnslib.SRV(data.priority, data.weight, data.port, label(data.target))
    if isinstance(data, Soa):
        return dnslib.SOA(label(data.primary), label(data.contact), SOA_NUMBERS)
    if kind == A:
        return dnslib.A(data)
    if kind == AAAA:
        return dnslib.AAAA(data)
    if kind == TXT:
        return dnslib.TXT(data)
    return {CNAME: dnslib.CNAME, PTR: dnslib.PTR, NS: dnslib.NS}[kind](label(data))
