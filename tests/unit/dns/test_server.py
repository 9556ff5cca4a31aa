from __future__ import annotations

import asyncio
import random
import socket
import struct

import pytest
from dnslib import DNSRecord

from podyard.dns import tcp as tcp_module
from podyard.dns.types import FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, SERVFAIL

from .conftest import Running, run

WEB = "web.default.svc.cluster.local"
PETS = "pets.default.svc.cluster.local"
BIG = "big.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("arguments", "answers"),
    [
        ((WEB,), ["127.96.3.4"]),
        ((WEB, "+tcp"), ["127.96.3.4"]),
        ((WEB, "ANY"), ["127.96.3.4"]),
        ((WEB, "AAAA"), []),
        ((WEB, "+noedns"), ["127.96.3.4"]),
        ((PETS,), ["127.244.1.2", "127.244.1.3"]),
        ((f"pet-0.{PETS}",), ["127.244.1.2"]),
        ((f"_http._tcp.{WEB}", "SRV"), [f"0 100 80 {WEB}."]),
        ((f"_http._tcp.{PETS}", "SRV"), [f"0 50 8080 pet-{n}.{PETS}." for n in (0, 1)]),
        (("-x", "127.96.3.4"), [f"{WEB}."]),
        (("-x", "127.244.1.2"), ["127-244-1-2.big.default.svc.cluster.local.", f"pet-0.{PETS}."]),
        (("inside.default.svc.cluster.local",), ["127.96.3.4", f"{WEB}."]),
        (("inside.default.svc.cluster.local", "CNAME"), [f"{WEB}."]),
        (("outside.default.svc.cluster.local", "CNAME"), ["www.example.com."]),
        (("dns-version.cluster.local", "TXT"), ['"1.1.0"']),
        (("cluster.local", "NS"), ["ns.dns.cluster.local."]),
        (("1-2-3-4.default.pod.cluster.local",), ["1.2.3.4"]),
    ],
)
async def test_dig(dns: Running, arguments: tuple[str, ...], answers: list[str]) -> None:
    assert await dns.short(*arguments) == answers


@pytest.mark.parametrize(
    ("arguments", "status", "authority"),
    [
        ((WEB,), "NOERROR", 0),
        ((WEB, "AAAA"), "NOERROR", 1),
        ((WEB, "TYPE65"), "NOERROR", 1),
        ((f"_tcp.{WEB}", "SRV"), "NOERROR", 1),
        (("default.svc.cluster.local",), "NOERROR", 1),
        (("none.default.svc.cluster.local",), "NXDOMAIN", 1),
        ((f"{WEB}.default.svc.cluster.local",), "NXDOMAIN", 1),
        (("nowhere.default.svc.cluster.local",), "NOERROR", 1),
        (("example.com",), "REFUSED", 0),
        ((WEB, "-c", "CH"), "REFUSED", 0),
        ((WEB, "+edns=1", "+noednsneg"), "BADVERS", 0),
        ((WEB, "+opcode=status"), "NOTIMP", 0),
    ],
)
async def test_status(dns: Running, arguments: tuple[str, ...], status: str, authority: int) -> None:
    output = await dns.dig(*arguments)
    assert f"status: {status}" in output
    assert f"AUTHORITY: {authority}" in output
    if authority:
        assert "cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200" in output


async def test_srv_brings_addresses_along(dns: Running) -> None:
    output = await dns.dig(f"_http._tcp.{PETS}", "SRV")
    assert f"pet-0.{PETS}. 5 IN A 127.244.1.2" in output
    assert f"pet-1.{PETS}. 5 IN A 127.244.1.3" in output


async def test_external_names_in_a_circle_end(dns: Running) -> None:
    assert "status: NOERROR" in await dns.dig("ping.default.svc.cluster.local")


async def test_the_letter_case_of_the_question_comes_back(dns: Running) -> None:
    output = await dns.dig("wEb.DeFault.svc.CLUSTER.local")
    assert ";wEb.DeFault.svc.CLUSTER.local. IN A" in output
    assert "wEb.DeFault.svc.CLUSTER.local. 5 IN A 127.96.3.4" in output


async def test_before_the_cluster_is_known_its_names_fail(dns: Running) -> None:
    dns.responder.ready = False
    assert "status: SERVFAIL" in await dns.dig(WEB)


async def test_truncated_over_udp_whole_over_tcp(dns: Running) -> None:
    output = await dns.dig(BIG, "+ignore")
    assert "qr aa tc" in output
    assert 60 < output.count(" IN A ") < 100
    assert (await dns.dig(BIG, "+ignore", "+noedns")).count(" IN A ") in range(20, 33)
    # Without +ignore dig asks again over TCP.
    assert len(await dns.short(BIG)) == 1000


async def test_nslookup(dns: Running) -> None:
    output = await run("nslookup", f"-port={dns.port}", WEB, dns.address)
    assert f"Name:\t{WEB}\nAddress: 127.96.3.4\n" in output
    reverse = await run("nslookup", f"-port={dns.port}", "127.96.3.4", dns.address)
    assert f"4.3.96.127.in-addr.arpa\tname = {WEB}." in reverse


def query(name: str, type_: str = "A") -> bytes:
    return bytes(DNSRecord.question(name, type_).pack())


def framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


async def read_answer(reader: asyncio.StreamReader) -> DNSRecord:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return DNSRecord.parse(await reader.readexactly(size))


async def test_many_queries_on_one_connection_in_any_pieces(dns: Running) -> None:
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    stream = framed(query(WEB)) + framed(query(PETS)) + framed(query(WEB, "AAAA"))
    for position in range(len(stream)):
        writer.write(stream[position : position + 1])
        await writer.drain()
    assert [len((await read_answer(reader)).rr) for _ in range(3)] == [1, 2, 0]
    writer.write(framed(query(WEB)) * 500)
    assert [len((await read_answer(reader)).rr) for _ in range(500)] == [1] * 500
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_an_idle_connection_is_closed(dns: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_module, "IDLE_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    writer.write(b"\0")  # the beginning of a length, and no more
    assert await reader.read() == b""
    writer.close()


async def test_a_client_that_never_reads_does_not_grow_the_server(dns: Running) -> None:
    reader, writer = await asyncio.open_connection(dns.address, dns.port)
    flood = framed(query(BIG)) * 1000

    async def write() -> None:
        for _ in range(1000):
            writer.write(flood)
            await writer.drain()

    writing = asyncio.create_task(write())
    assert await dns.short(WEB) == ["127.96.3.4"]
    assert not writing.done()
    writing.cancel()
    writer.transport.abort()
    assert dns.server.metrics.queries["tcp"] < 2000
    del reader


async def ask(dns: Running, message: bytes, wait: float = 5) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((dns.address, dns.port))
        sock.send(message)
        return await asyncio.wait_for(loop.sock_recv(sock, 65535), wait)


HEADER = struct.Struct("!HHHHHH")
NAME = b"\3web\7default\3svc\7cluster\5local\0"


@pytest.mark.parametrize(
    ("message", "rcode"),
    [
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + NAME + b"\0\1\0\1", NOERROR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\3WEB\7default\3svc\7cluster\5local\0\0\x1c\0\1", NOERROR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\x0bweb.default\3svc\7cluster\5local\0\0\1\0\1", NXDOMAIN),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\2\xff\0\7cluster\5local\0\0\1\0\1", NXDOMAIN),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\0\0\1\0\1", REFUSED),
        (HEADER.pack(7, 0x0100, 0, 0, 0, 0), FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0), FORMERR),
        (HEADER.pack(7, 0x0100, 2, 0, 0, 0) + (NAME + b"\0\1\0\1") * 2, FORMERR),
        (HEADER.pack(7, 0x0100, 1, 1, 0, 0) + NAME + b"\0\1\0\1", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + NAME + b"\0\1\0", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 1) + NAME + b"\0\1\0\1", FORMERR),
        (HEADER.pack(7, 0x0100, 1, 0, 0, 1) + NAME + b"\0\1\0\1" + b"\0\0\x29\x10\0\0\0\0\0\0\\9", FORMERR),
        (
            HEADER.pack(7, 0x0100, 1, 0, 0, 2) + NAME + b"\0\1\0\1" + b"\0\0\x29\x10\0\0\0\0\0\0\0" * 2,
            FORMERR,
        ),
        (
            HEADER.pack(7, 0x0100, 1, 0, 0, 17) + NAME + b"\0\1\0\1" + b"\0\0\x10\0\1\0\0\0\0\0\0" * 17,
            FORMERR,
        ),
        (HEADER.pack(7, 5 << 11, 1, 0, 0, 0) + NAME + b"\0\6\0\1", NOTIMP),
    ],
)
async def test_messages_byte_by_byte(dns: Running, message: bytes, rcode: int) -> None:
    answer = await ask(dns, message)
    assert answer[:2] == message[:2]
    assert (answer[2] & 0x80, answer[3] & 15) == (0x80, rcode)


@pytest.mark.parametrize("message", [b"", b"x" * 11, HEADER.pack(7, 0x8100, 1, 0, 0, 0) + NAME + b"\0\1\0\1"])
async def test_what_is_no_query_gets_no_answer(dns: Running, message: bytes) -> None:
    with pytest.raises(TimeoutError):
        await ask(dns, message, 0.1)
    assert (await ask(dns, query(WEB)))[3] & 15 == NOERROR


async def test_garbage_never_hurts(dns: Running) -> None:
    generator = random.Random(1)
    seeds = [
        query(WEB),
        query(BIG),
        HEADER.pack(1, 0, 1, 0, 0, 1) + NAME + b"\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0",
    ]
    answers: list[bytes] = []
    for _ in range(20_000):
        message = bytearray(generator.choice(seeds))
        for _ in range(generator.randrange(1, 8)):
            message[generator.randrange(len(message))] = generator.randrange(256)
        cut = bytes(message[: generator.randrange(len(message) + 1)] if generator.random() < 0.3 else message)
        dns.server.handle(cut, answers.append, tcp=False)
    assert dns.server.metrics.responses[SERVFAIL] == 0
    assert len(answers) > 10_000
    assert max(map(len, answers)) <= 4096
    assert (await ask(dns, query(WEB)))[3] & 15 == NOERROR
