from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pytest
import uvloop

from podyard.dns.answers import Answers
from podyard.dns.counters import DnsMetrics
from podyard.dns.exchange import Upstream
from podyard.dns.forwarding import Forwarder
from podyard.dns.responder import Responder
from podyard.dns.server import Server
from podyard.dns.zone import Zone

from .objects import endpoint, external, service, slice_of

HINFO_QUESTION = b"\0\0\x0d\0\1"

_numbers = itertools.count(1)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the product runs on."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Running:
    """A server of the test's zone."""

    address: str
    port: int
    zone: Zone
    responder: Responder
    answers: Answers
    server: Server
    upstreams: list[Upstream]

    async def dig(self, *arguments: str) -> str:
        """What dig prints, with single spaces."""
        output = await run("dig", f"@{self.address}", "-p", str(self.port), "+tries=1", "+time=5", *arguments)
        return re.sub(r"[ \t]+", " ", output)

    async def short(self, *arguments: str) -> list[str]:
        """The data of the answers alone, sorted."""
        return sorted((await self.dig("+short", *arguments)).split("\n"))[1:]


async def run(*command: str) -> str:
    """Run a command and give what it prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


def fresh_address() -> str:
    """A loopback address that no other test, and no other run of the tests, uses."""
    return f"127.201.{100 + os.getpid() % 100}.{next(_numbers) % 250 + 1}"


@pytest.fixture
async def dns() -> AsyncIterator[Running]:
    zone = Zone("cluster.local", "127.96.0.10")
    zone.add_namespace("default")
    big = [endpoint(f"127.244.{number // 250}.{number % 250 + 1}") for number in range(1000)]
    services = [
        (service("web", "127.96.3.4"), ()),
        (
            service("pets"),
            (slice_of("pets", endpoint("127.244.1.2", "pet-0"), endpoint("127.244.1.3", "pet-1")),),
        ),
        (service("big"), (slice_of("big", *big, ports=[]),)),
        (external("inside", "web.default.svc.cluster.local"), ()),
        (external("nowhere", "none.default.svc.cluster.local"), ()),
        (external("ping", "pong.default.svc.cluster.local"), ()),
        (external("pong", "ping.default.svc.cluster.local"), ()),
        (external("outside", "www.example.com"), ()),
    ]
    for svc, slices in services:
        zone.load(("default", svc["metadata"]["name"]), svc, slices)
    upstreams: list[Upstream] = []
    forwarder = Forwarder(lambda: list(upstreams), timeout=1.0)
    responder = Responder(zone, forwarder.available)
    responder.ready = True
    answers = Answers()
    server = Server(responder, answers, forwarder, DnsMetrics(zone))
    address = fresh_address()
    port = await server.start(address, 0)
    try:
        yield Running(address, port, zone, responder, answers, server, upstreams)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def upstream(answer: Callable[[bytes], bytes | None], *, tcp: bool = True) -> AsyncIterator[Upstream]:
    """A DNS server, UDP and TCP, that gives what `answer` makes of each query; None: nothing.

    Without `tcp` it closes TCP connections unread, as small routers do. It says nothing to HINFO
    questions, by which the server looks for loops.
    """

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            reply = None if data.endswith(HINFO_QUESTION) else answer(data)
            if reply is not None:
                self.transport.sendto(reply, addr)  # type: ignore[attr-defined]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tcp:
            size = int.from_bytes(await reader.readexactly(2), "big")
            reply = answer(await reader.readexactly(size))
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()

    listener = await asyncio.start_server(serve, fresh_address(), 0)
    where: Upstream = listener.sockets[0].getsockname()
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, where)
    try:
        yield where
    finally:
        udp.close()
        listener.close()
