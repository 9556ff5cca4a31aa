"""The wire under fire: no message crashes the server, keeps it busy, or gets an answer that is none."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from dnslib import DNSRecord
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from podyard.dns.answers import Answers
from podyard.dns.cache import Cache, lifetime
from podyard.dns.counters import DnsMetrics
from podyard.dns.exchange import Upstream
from podyard.dns.forwarding import Forwarder
from podyard.dns.responder import Responder
from podyard.dns.server import Server
from podyard.dns.types import FORMERR, NOTIMP, SERVFAIL
from podyard.dns.wire import BadQuery, NotAQuery, parse, skip_name
from podyard.dns.zone import Zone

from .conftest import Running, fresh_address
from .objects import endpoint, external, service, slice_of

FUZZ = settings(max_examples=400, derandomize=True, deadline=None, database=None)

HEADER = struct.Struct("!6H")
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
LABELS = st.lists(
    st.sampled_from([b"web", b"WEB", b"pets", b"_http", b"_tcp", b"default", b"svc", b"pod", b"1-2-3-4"])
    | st.binary(max_size=63),
    max_size=9,
)
TAILS = st.sampled_from(
    ["cluster.local", "svc.cluster.local", "default.svc.cluster.local", "in-addr.arpa", ""]
)
ADDITIONAL = st.sampled_from([b"", OPT, OPT[:-2] + b"\0\4\0\x0a\0\0", OPT * 2, b"\0\0\1\0\1" + bytes(6)])
TYPES = st.sampled_from([1, 28, 33, 12, 16, 5, 6, 2, 255, 252, 41, 65, 97]) | st.integers(0, 65535)


def wire(labels: list[bytes], tail: str) -> bytes:
    parts = [*labels, *(part.encode() for part in tail.split(".") if part)]
    return b"".join(bytes([len(part) & 63]) + part[: len(part) & 63] for part in parts) + b"\0"


@st.composite
def queries(draw: Callable[..., Any]) -> bytes:
    """Queries as they should be, more or less."""
    name = wire(draw(LABELS), draw(TAILS))
    additional: bytes = draw(ADDITIONAL)
    flags = draw(st.sampled_from([0x0100, 0, 0x0130, 0x2900, 0x8000]) | st.integers(0, 65535))
    counts = draw(st.sampled_from([(1, 0, 0, bool(additional)), (1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 1, 1)]))
    class_ = draw(st.sampled_from([1, 1, 1, 3, 255]))
    question = name + struct.pack("!HH", draw(TYPES), class_)
    id_: int = draw(st.integers(0, 65535))
    return HEADER.pack(id_, flags, *counts) + question + additional


@st.composite
def broken(draw: Callable[..., Any]) -> bytes:
    """Queries with bytes that were changed, cut off, added: pointers, wrong counts, wrong lengths."""
    message = bytearray(draw(queries()))
    for place, byte in draw(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6)):
        message[place % len(message)] = byte
    if draw(st.booleans()):
        del message[draw(st.integers(0, len(message))) :]
    more: bytes = draw(st.sampled_from([b"", b"\0", b"\xc0\x0c" * 20, bytes(100)]))
    return bytes(message) + more


MESSAGES = broken() | queries() | st.binary(max_size=100)


def server() -> Server:
    zone = Zone("cluster.local", "127.96.0.10")
    zone.add_namespace("default")
    pets = slice_of("pets", endpoint("127.244.1.2", "pet-0"), endpoint("127.244.1.3", "pet-1"))
    zone.load(("default", "web"), service("web", "127.96.3.4"))
    zone.load(("default", "pets"), service("pets"), [pets])
    zone.load(("default", "inside"), external("inside", "web.default.svc.cluster.local"))
    upstreams: list[Upstream] = []
    forwarder = Forwarder(lambda: upstreams)
    responder = Responder(zone, forwarder.available)
    responder.ready = True
    return Server(responder, Answers(generation_bytes=50_000), forwarder, DnsMetrics(zone))


SERVER = server()  # one for all, so that kept answers are under fire, too


def ask(message: bytes, *, tcp: bool) -> bytes | None:
    got: list[bytes] = []
    SERVER.handle(message, got.append, tcp=tcp)
    return got[0] if got else None


@FUZZ
@given(MESSAGES, st.booleans())
def test_every_answer_is_one(message: bytes, tcp: bool) -> None:
    answer = ask(message, tcp=tcp)
    if len(message) < 12 or message[2] & 0x80:
        assert answer is None
        return
    assert answer is not None
    rcode = answer[3] & 15
    assert answer[:2] == message[:2]
    assert answer[2] & 0x80
    assert rcode != SERVFAIL
    assert len(answer) <= (65535 if tcp else 4096)
    try:
        query = parse(message)
    except BadQuery as bad:
        assert (rcode, len(answer)) == (bad.args[2], 12)
        assert rcode in (FORMERR, NOTIMP)
        return
    if message.isascii():  # dnslib reads no others
        DNSRecord.parse(answer)
    assert answer[12 : query.name_end + 4] == message[12 : query.name_end + 4]
    again = ask(message, tcp=tcp)
    assert again is not None
    assert (sorted(again), again[:12]) == (sorted(answer), answer[:12])


@FUZZ
@given(MESSAGES)
@example(HEADER.pack(1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1")
@example(HEADER.pack(1, 0, 1, 0, 0, 16) + b"\0\0\1\0\1" + b"\xc0\x0c" * 100)
@example(HEADER.pack(1, 0, 1, 0, 0, 65535) + b"\0\0\1\0\1")
def test_reading_ends(message: bytes) -> None:
    """What is read lies in the message, and nothing is read twice."""
    try:
        query = parse(message)
    except (BadQuery, NotAQuery):
        return
    assert 12 < query.name_end <= len(message) - 4
    assert query.name_end - 12 <= 255
    assert len(query.labels) <= 127
    assert skip_name(message, 12) == query.name_end


@FUZZ
@given(MESSAGES | st.binary(min_size=12, max_size=600), st.integers(0, 10**6))
def test_what_an_upstream_says_may_be_anything(message: bytes, later: int) -> None:
    if len(message) < 12:
        return
    life = lifetime(message)
    now = 0.0
    cache = Cache(lambda: now)
    cache.put("key", message)
    now = later
    kept = cache.get("key")
    assert (kept is not None) == (life is not None and later < life.seconds)
    assert kept is None or len(kept) == len(message)


@pytest.mark.parametrize("fill", [b"\xff", b"\0", b"\xc0", b"\x3f", b"\1"])
async def test_messages_of_64_kib(dns: Running, fill: bytes) -> None:
    """Over TCP they can be that long; each is one error at most, and the connection goes on."""
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    header = HEADER.pack(7, 0x0100, 1, 0, 0, 16)
    for _ in range(5):
        writer.write(b"\xff\xff" + header + fill * (65535 - len(header)))
    for _ in range(5):
        size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), 10), "big")
        answer = await reader.readexactly(size)
        assert (answer[:2], answer[3] & 15) == (header[:2], FORMERR) or size > 12
    assert await dns.short("web.default.svc.cluster.local", "+tcp") == ["127.96.3.4"]
    writer.close()


@settings(FUZZ, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MESSAGES, min_size=1, max_size=20), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_streams_in_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    """TCP: as many answers as there are queries before the first that is none, in any pieces."""

    async def converse() -> int:
        serving = server()
        address = fresh_address()
        port = await serving.start(address, 0)
        reader, writer = await asyncio.open_connection(address, port)
        stream = b"".join(struct.pack("!H", len(one)) + one for one in messages)
        position = turn = 0
        while position < len(stream) and not writer.transport.is_closing():
            size = sizes[turn % len(sizes)]
            writer.write(stream[position : position + size])
            position, turn = position + size, turn + 1
            await asyncio.sleep(0)
        number = 0
        try:
            writer.write_eof()
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                await reader.readexactly(length)
                number += 1
        except (asyncio.IncompleteReadError, OSError, RuntimeError):
            pass
        writer.close()
        await serving.stop()
        return number

    good = 0
    for message in messages:
        if len(message) < 12 or message[2] & 0x80:
            assert uvloop.run(converse()) <= good  # a connection that is cut off may lose answers
            return
        good += 1
    assert uvloop.run(converse()) == good
