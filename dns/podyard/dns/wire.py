"""Queries as bytes: what one asks, and answers that fit."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dnslib import DNSHeader, DNSLabel, DNSQuestion, DNSRecord

from podyard.dns.types import CLASS_IN, FORMERR, NOTIMP, OPT

HEADER = struct.Struct("!HHHHHH")
HEADER_BYTES = HEADER.size

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010

PLAIN_UDP_BYTES = 512
"""The largest answer over UDP to a query without EDNS (RFC 1035)."""
LARGEST_UDP_BYTES = 4096
"""The largest at all; what a client may ask for beyond that is not given."""
OUR_UDP_BYTES = 1232
"""What we offer to take (DNS flag day 2020)."""
LARGEST_BYTES = 65535
OPT_BYTES = 11
"""An OPT record without options."""
ADDITIONAL_RECORDS = 16
"""Queries have one there, or two with a signature; more is abuse."""


class NotAQuery(Exception):
    """Not to be answered at all: a response, or too short for a header."""


class BadQuery(Exception):
    """To be answered with an error. `args` are the id, the flags and the response code."""


@dataclass(slots=True)
class Query:
    """One question. `raw` is the whole message, `name_end` where the question's name ends in it."""

    raw: bytes
    id: int
    flags: int
    labels: list[bytes]
    name: str  # in lower case, without the final dot
    type: int
    class_: int
    name_end: int
    plain: bool = False  # no options nor other records: the answer depends on the bytes seen here alone
    edns: bool = False
    edns_version: int = 0
    dnssec_ok: bool = False
    udp_bytes: int = PLAIN_UDP_BYTES

    @property
    def label(self) -> DNSLabel:
        """The name for dnslib, in lower case: it points to equal bytes alone when it packs names."""
        return DNSLabel([one.lower() for one in self.labels])


def parse(raw: bytes) -> Query:
    """Read a query. Raises NotAQuery or BadQuery."""
    if len(raw) < HEADER_BYTES:
        raise NotAQuery
    id_, flags, questions, answers, authority, additional = HEADER.unpack_from(raw)
    if flags & QR:
        raise NotAQuery
    if flags >> 11 & 15:
        raise BadQuery(id_, flags, NOTIMP)
    if questions != 1 or answers or authority or additional > ADDITIONAL_RECORDS:
        raise BadQuery(id_, flags, FORMERR)
    try:
        return _read(raw, id_, flags, additional)
    except (IndexError, ValueError, struct.error):
        raise BadQuery(id_, flags, FORMERR) from None


def _read(raw: bytes, id_: int, flags: int, additional: int) -> Query:
    """Read by hand: dnslib takes labels of more than 63 bytes and no bytes that are not UTF-8."""
    labels, name_end = _labels(raw)
    type_, class_ = struct.unpack_from("!HH", raw, name_end)
    name = b".".join(label.replace(b".", rb"\.") for label in labels).lower().decode("latin-1")
    query = Query(raw, id_, flags, labels, name, type_, class_, name_end)
    offset = name_end + 4
    for _ in range(additional):
        offset = _read_additional(raw, offset, query)
    query.plain = offset == len(raw) and offset == name_end + 4 + (OPT_BYTES if query.edns else 0)
    return query


def _labels(raw: bytes) -> tuple[list[bytes], int]:
    labels = []
    offset = HEADER_BYTES
    while length := raw[offset]:
        end = offset + 1 + length
        if length > 63 or end - HEADER_BYTES > 254:
            raise ValueError("a name that is too long, or compressed")
        labels.append(raw[offset + 1 : end])
        offset = end
    return labels, offset + 1


def _read_additional(raw: bytes, offset: int, query: Query) -> int:
    """Read one additional record, of which OPT alone matters; where the next begins."""
    at_root = raw[offset] == 0
    offset = skip_name(raw, offset)
    type_, class_, ttl, length = struct.unpack_from("!HHIH", raw, offset)
    offset += 10 + length
    if offset > len(raw):
        raise ValueError("a record that is longer than the message")
    if type_ == OPT:
        if query.edns or not at_root:
            raise ValueError("two OPT records, or one with a name (RFC 6891)")
        query.edns = True
        query.edns_version = ttl >> 16 & 255
        query.dnssec_ok = bool(ttl & 0x8000)
        query.udp_bytes = min(max(class_, PLAIN_UDP_BYTES), LARGEST_UDP_BYTES)
    return offset


def skip_name(raw: bytes, offset: int) -> int:
    """Where a name ends that may end in a pointer, which is not followed. Raises IndexError or ValueError."""
    while (length := raw[offset]) and length < 64:
        offset += 1 + length
    if 0 < length < 192:
        raise ValueError("neither a label nor a pointer")
    return offset + (2 if length else 1)


def error(id_: int, flags: int, rcode: int) -> bytes:
    """An answer to a message whose question cannot be repeated: a header alone."""
    return HEADER.pack(id_, QR | flags & (0x7800 | RD) | rcode, 0, 0, 0, 0)


def response(query: Query, rcode: int, *, authoritative: bool, recursion: bool) -> DNSRecord:
    """An answer without records yet, with the question in lower case: see `in_case_of`."""
    bits = QR | query.flags & RD | rcode & 15
    if authoritative:
        bits |= AA
    if recursion:
        bits |= RA
    header = DNSHeader(id=query.id, bitmap=bits)
    return DNSRecord(header, q=DNSQuestion(query.label, query.type, query.class_))


def head(query: Query, rcode: int, *, recursion: bool, answers: int = 0, authority: int = 0) -> bytes:
    """How an authoritative answer begins that has so many records: the header, and the question as it was."""
    flags = QR | AA | query.flags & RD | (RA if recursion else 0) | rcode
    header = HEADER.pack(query.id, flags, 1, answers, authority, 1 if query.edns else 0)
    return header + query.raw[HEADER_BYTES : query.name_end + 4]


def pack(record: DNSRecord, limit: int) -> bytes:
    """The message in at most `limit` bytes: without additional records, then with fewer answers and TC."""
    data = bytes(record.pack())
    if len(data) <= limit:
        return data
    keep = [one for one in record.ar if one.rtype == OPT]
    if len(keep) < len(record.ar):
        record.ar = keep
        data = bytes(record.pack())
        if len(data) <= limit:
            return data
    record.header.tc = 1
    record.auth = []
    answers = record.rr
    least, most = 0, len(answers)
    while least < most:  # the largest number of answers that fits
        middle = (least + most + 1) // 2
        record.rr = answers[:middle]
        if len(record.pack()) <= limit:
            least = middle
        else:
            most = middle - 1
    record.rr = answers[:least]
    return bytes(record.pack())


def in_case_of(query: Query, answer: bytes) -> bytes:
    """`answer`, whose question is in lower case, with the letter case that was asked."""
    return answer[:HEADER_BYTES] + query.raw[HEADER_BYTES : query.name_end] + answer[query.name_end :]


def is_truncated(answer: bytes) -> bool:
    """Whether there is more than this answer holds, to be asked for over TCP. Takes a whole header."""
    return bool(answer[2] & TC >> 8)


def label(name: str) -> DNSLabel:
    """A name for dnslib, which takes text for international domain names."""
    return DNSLabel(name.encode("latin-1"))


def question(name: str, type_: int) -> bytes:
    """A query of our own, with recursion desired."""
    return bytes(DNSRecord(DNSHeader(id=0, bitmap=RD), q=DNSQuestion(label(name), type_, CLASS_IN)).pack())


def forwarded(query: Query) -> bytes:
    """The query for an upstream, without its id. EDNS is between neighbours (RFC 6891): options end here."""
    head = HEADER.pack(0, query.flags & (RD | AD | CD), 1, 0, 0, 1 if query.edns else 0)
    return head[2:] + query.raw[HEADER_BYTES : query.name_end + 4] + (opt(query) if query.edns else b"")


def opt(query: Query, udp_bytes: int = 0) -> bytes:
    """An OPT record with the query's DO flag, for messages of up to its own, or `udp_bytes`."""
    flags = 0x8000 if query.dnssec_ok else 0
    return struct.pack("!BHHIH", 0, OPT, udp_bytes or query.udp_bytes, flags, 0)
