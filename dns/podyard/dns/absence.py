"""Answers that say no, from the query's own bytes.

A resolver with `ndots:5` and a search list asks for several names that do not exist before the one
that does, so most answers are of this kind, and there is no end of such names: they are not kept
waiting for dnslib.
"""

from __future__ import annotations

import struct

from podyard.dns.records import Soa
from podyard.dns.types import CLASS_IN, SOA
from podyard.dns.wire import HEADER_BYTES, OUR_UDP_BYTES, Query, head, label, opt

SOA_NUMBERS = (1, 7200, 1800, 86400, 5)
"""Serial, refresh, retry, expire, and how long a "no" may be kept: CoreDNS'."""


class Absence:
    """Builds them for one domain, whose SOA record (RFC 2308) they carry."""

    def __init__(self, domain: str, soa: Soa, ttl: int) -> None:
        self._domain = _wire(domain) + b"\0"
        self._head = struct.pack("!HHI", SOA, CLASS_IN, ttl)
        self._primary = _wire(soa.primary.removesuffix("." + domain))
        self._contact = _wire(soa.contact.removesuffix("." + domain))
        self._numbers = struct.pack("!5I", *SOA_NUMBERS)
        self._data_bytes = len(self._primary + self._contact + self._numbers) + 4

    def answer(self, query: Query, rcode: int, *, recursion: bool) -> bytes | None:
        """NXDOMAIN, or NOERROR without answers; None when the name is not in the domain.

        It has at most 385 bytes, so it fits whatever the client takes.
        """
        raw, end = query.raw, query.name_end
        if not raw[HEADER_BYTES:end].lower().endswith(self._domain):
            return None
        # "cluster.local" ends the question's name; what repeats it points there.
        domain = struct.pack("!H", 0xC000 | end - len(self._domain))
        parts = (
            head(query, rcode, recursion=recursion, authority=1),
            domain,
            self._head,
            self._data_bytes.to_bytes(2, "big"),
            self._primary,
            domain,
            self._contact,
            domain,
            self._numbers,
            opt(query, OUR_UDP_BYTES) if query.edns else b"",
        )
        return b"".join(parts)


def _wire(name: str) -> bytes:
    """A name's labels, without the root's."""
    return b"".join(bytes([len(part)]) + part for part in label(name).label)
