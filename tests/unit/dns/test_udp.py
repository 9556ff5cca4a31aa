"""Bursts of datagrams: every client gets its own answers, whatever else is in the batch."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator

import pytest

from podyard.dns import udp
from podyard.dns.datagrams import SLOT_BYTES, SLOTS, Datagrams
from podyard.dns.types import FORMERR, NOERROR, NXDOMAIN
from podyard.dns.wire import BadQuery, parse

from .conftest import Running
from .test_answers import query

WEB = "web.default.svc.cluster.local"
BIG = "big.default.svc.cluster.local"
LARGE = b"\0\0\x29\x10\0\0\0\0\0\0\0"


def clients(address: str, port: int, number: int) -> list[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = []
    for _ in range(number):
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect((address, port))
        made.append(sock)
    return made


async def answers(sock: socket.socket, number: int) -> dict[int, bytes]:
    """So many answers, by their ids."""
    got = {}
    async with asyncio.timeout(20):
        for _ in range(number):
            answer = await asyncio.get_running_loop().sock_recv(sock, 65535)
            got[int.from_bytes(answer[:2], "big")] = answer
    return got


def messages(client: int) -> dict[int, bytes]:
    """Queries with kept and new answers, small and large ones, and what is none."""
    generator = random.Random(client)
    kinds = [
        query(WEB),
        query("WEB.default.svc.cluster.local"),
        query(f"new-{client}.default.svc.cluster.local"),
        query(BIG, additional=LARGE),
        query(BIG),
        query(WEB)[:-1],
        query(WEB) + bytes(2000),
    ]
    return {number: struct.pack("!H", number) + generator.choice(kinds)[2:] for number in range(60)}


def check_answer(answer: bytes, asked: bytes) -> None:
    """It is one to this question, or says that it was none."""
    message = asked[:SLOT_BYTES]
    try:
        end = parse(message).name_end + 4
    except BadQuery:
        assert answer[3] & 15 == FORMERR
    else:
        assert answer[3] & 15 in (NOERROR, NXDOMAIN)
        assert answer[12:end] == message[12:end]


async def test_a_burst_of_all_kinds(dns: Running) -> None:
    assert await dns.short(WEB) == ["127.96.3.4"]
    socks = clients(dns.address, dns.port, 10)
    for number in range(60):  # all of them are in the socket before the server's turn
        for client, sock in enumerate(socks):
            sock.send(messages(client)[number])
    for client, sock in enumerate(socks):
        asked = messages(client)
        got = await answers(sock, len(asked))
        assert got.keys() == asked.keys()
        for number, answer in got.items():
            check_answer(answer, asked[number])
        sock.close()
    assert dns.server.metrics.queries["udp"] == 601
    assert sum(dns.server.metrics.responses.values()) == 601


async def test_all_kinds_one_by_one(dns: Running) -> None:
    (sock,) = clients(dns.address, dns.port, 1)
    before = dns.server.metrics.queries["udp"]
    for number, message in messages(0).items():
        sock.send(message)
        ((got, answer),) = (await answers(sock, 1)).items()
        assert got == number
        check_answer(answer, message)
    sock.close()
    await dns.server.stop()  # so that the last one is counted, too
    assert dns.server.metrics.queries["udp"] == before + 60
    assert sum(dns.server.metrics.responses.values()) == before + 60


async def test_ipv6(dns: Running) -> None:
    await dns.server.stop()
    try:
        port = await dns.server.start("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    (sock,) = clients("::1", port, 1)
    for number in range(200):
        sock.send(struct.pack("!H", number) + query(WEB)[2:])
    got = await answers(sock, 200)
    assert len(got) == 200
    assert {answer[-4:] for answer in got.values()} == {socket.inet_aton("127.96.3.4")}
    sock.close()


async def test_kept_answers_do_not_wait_for_others(dns: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this happens within one turn of the event loop."""
    monkeypatch.setattr(udp, "BACKLOG", 10)
    assert await dns.short(WEB, "+noedns", "+noad") == ["127.96.3.4"]
    before = dns.server.metrics.queries["udp"]
    (sock,) = clients(dns.address, dns.port, 1)
    for number in range(20):
        sock.send(struct.pack("!H", number) + query(f"new-{number}.default.svc.cluster.local")[2:])
    sock.send(query(WEB, id_=77))
    sock.settimeout(20)
    assert sock.recv(512)[:2] == b"\0\x4d"
    assert dns.server.metrics.dropped == 10
    sock.setblocking(False)
    assert (await answers(sock, 10)).keys() == set(range(10))
    assert dns.server.metrics.queries["udp"] == before + 11
    sock.send(query("newer.default.svc.cluster.local"))
    assert (await answers(sock, 1)).keys() == {7}
    sock.close()


async def test_it_stops_while_it_is_asked(dns: Running) -> None:
    (sock,) = clients(dns.address, dns.port, 1)
    for number in range(500):
        sock.send(struct.pack("!H", number) + query(f"new-{number}.default.svc.cluster.local")[2:])
    await dns.server.stop()
    with pytest.raises(ConnectionRefusedError):
        for _ in range(3):
            sock.send(query(WEB))
    assert "udp" not in {thread.name for thread in threading.enumerate()}
    sock.close()


@pytest.fixture
async def sockets() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield one, other


async def test_as_many_as_there_are(sockets: tuple[socket.socket, socket.socket]) -> None:
    one, other = sockets
    datagrams = Datagrams(one)
    assert datagrams.receive() == []
    for number in range(SLOTS + 2):
        other.sendto(bytes([number]) * number, one.getsockname())
    assert datagrams.receive() == list(range(SLOTS))
    assert datagrams.client(3) == other.getsockname()
    assert datagrams.bytes[datagrams.starts[3] : datagrams.starts[3] + 4] == b"\3\3\3\0"
    assert datagrams.receive() == [SLOTS, SLOTS + 1]


async def test_one_that_cannot_be_sent_is_left_out(sockets: tuple[socket.socket, socket.socket]) -> None:
    one, other = sockets
    nobody = ("127.0.0.1", 0)
    datagrams = Datagrams(one, [nobody, other.getsockname(), nobody, nobody, other.getsockname(), nobody])
    for slot in range(6):
        start = datagrams.starts[slot]
        datagrams.bytes[start : start + 3] = b"%d!!" % slot

    datagrams.resize([2] * 6)
    datagrams.send(0, 6)
    assert [other.recv(100) for _ in range(2)] == [b"1!", b"4!"]
    with pytest.raises(BlockingIOError):
        other.recv(100)
