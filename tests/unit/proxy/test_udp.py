from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.datagrams import SLOTS
from podyard.proxy.listeners import Runtime, udp
from podyard.proxy.listeners.udp import IDLE_SECONDS, UdpListener
from podyard.proxy.sockets import bind
from podyard.proxy.table import Endpoint, Frontend, Rule

from .conftest import turned
from .peers import until

SERVICE = ("kube-system", "kube-dns")


def rule(*endpoints: Endpoint) -> Rule:
    return Rule(SERVICE, "dns", "ClusterIP", endpoints)


class Backend(asyncio.DatagramProtocol):
    """Answers every datagram with its name and the datagram."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._name + data, addr)


async def backend(name: bytes, address: str) -> tuple[asyncio.DatagramTransport, Endpoint]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Backend(name), (address, 0))
    return transport, transport.get_extra_info("sockname")


@contextlib.contextmanager
def client(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, 53))
        yield sock


async def ask(sock: socket.socket, question: bytes) -> bytes:
    sock.send(question)
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65535), 20)


async def test_a_client_stays_with_its_endpoint_and_clients_are_spread(
    runtime: Runtime, address: str
) -> None:
    _, one = await backend(b"one ", address)
    _, two = await backend(b"two ", address)
    listener = UdpListener(rule(one, two), bind(Frontend("UDP", address, 53)), runtime)
    names = set()
    for _ in range(4):
        with client(address) as sock:
            answers = [await ask(sock, b"%d" % number) for number in range(5)]
            assert [answer[4:] for answer in answers] == [b"0", b"1", b"2", b"3", b"4"]
            assert len({answer[:4] for answer in answers}) == 1
            names.add(answers[0][:4])
    assert names == {b"one ", b"two "}
    counters = runtime.counters.of(SERVICE)
    assert counters.numbers() == (4, 4, 20, 100, 0)
    listener.close()
    assert counters.active == 0


async def test_large_and_empty_datagrams(runtime: Runtime, address: str) -> None:
    _, one = await backend(b"one ", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    with client(address) as sock:
        assert await ask(sock, b"x" * 60000) == b"one " + b"x" * 60000
        assert await ask(sock, b"") == b"one "
    listener.close()


async def test_bursts_of_several_clients(runtime: Runtime, address: str) -> None:
    """More at once than one system call takes, mixed, and of different sizes."""
    _, one = await backend(b"", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    with client(address) as first, client(address) as second:
        sent: dict[socket.socket, list[bytes]] = {first: [], second: []}
        for number in range(3 * SLOTS):
            sock = second if number % 3 == 1 else first
            sent[sock].append(b"%d " % number * (1 + number % 5))
            sock.send(sent[sock][-1])
        loop = asyncio.get_running_loop()
        for sock, datagrams in sent.items():
            assert [await asyncio.wait_for(loop.sock_recv(sock, 100), 20) for _ in datagrams] == datagrams
    counters = runtime.counters.of(SERVICE)
    size = sum(len(datagram) for datagrams in sent.values() for datagram in datagrams)
    assert counters.numbers() == (2, 2, size, size, 0)
    listener.close()


async def test_clients_of_both_families(runtime: Runtime, address: str) -> None:
    """They share what the kernel writes their addresses to."""
    _, one = await backend(b"", address)
    four = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    six = UdpListener(rule(one), bind(Frontend("UDP", "::1", 0)), runtime)
    with client(address) as ipv4, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ipv6:
        ipv6.setblocking(False)
        ipv6.connect(six._socket.getsockname())
        for number in range(3):
            for sock in (ipv4, ipv6):
                assert await ask(sock, b"%d" % number) == b"%d" % number
    assert runtime.counters.of(SERVICE).connections == 2
    four.close()
    six.close()


async def test_flows_to_a_removed_endpoint_end_at_once_others_stay(runtime: Runtime, address: str) -> None:
    _, one = await backend(b"one ", address)
    _, two = await backend(b"two ", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    with client(address) as sock, client(address) as other:
        assert await ask(sock, b"x") == b"one x"
        listener.update(rule(one, two))
        assert await ask(sock, b"x") == b"one x"
        listener.update(rule(two))
        assert await ask(sock, b"x") == b"two x"
        assert await ask(other, b"x") == b"two x"
    listener.close()


async def test_idle_flows_end(runtime: Runtime, clock: FakeClock, address: str) -> None:
    _, one = await backend(b"", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    counters = runtime.counters.of(SERVICE)
    free = runtime.descriptors._free
    with client(address) as idle, client(address) as busy:
        await ask(idle, b"x")
        await ask(busy, b"x")
        clock.advance(IDLE_SECONDS - 1)
        await ask(busy, b"x")
        assert counters.active == 2
        clock.advance(6)
        assert counters.active == 1
        assert await ask(idle, b"again") == b"again"
        clock.advance(IDLE_SECONDS + 10)
        assert counters.active == 0
        assert runtime.descriptors._free == free
    listener.close()


@pytest.mark.parametrize("what", ["flows", "descriptors"])
async def test_flows_are_bounded(
    runtime: Runtime,
    clock: FakeClock,
    address: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who comes when there are enough is dropped until some end; those that there are go on."""
    _, one = await backend(b"", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    counters = runtime.counters.of(SERVICE)
    if what == "flows":
        monkeypatch.setattr(udp, "FLOWS", 1)
    else:
        assert runtime.descriptors.take(runtime.descriptors._free - 1)
    with client(address) as first, client(address) as second:
        assert await ask(first, b"1") == b"1"
        for number in range(2):
            second.send(b"lost")
            await until(lambda dropped=number + 1: counters.errors == dropped)  # type: ignore[misc]
        assert await ask(first, b"2") == b"2"
        assert counters.numbers() == (1, 1, 2, 2, 2)
        clock.advance(IDLE_SECONDS + 10)
        assert await ask(second, b"3") == b"3"
    assert [record.message for record in caplog.records] == [
        "kube-system/kube-dns: too many UDP flows, new clients are dropped until some end"
    ]
    listener.close()


async def test_an_endpoint_where_nobody_listens_is_left(runtime: Runtime, address: str) -> None:
    transport, one = await backend(b"one ", address)
    _, two = await backend(b"two ", address)
    transport.abort()
    await asyncio.sleep(0)
    listener = UdpListener(rule(one, two), bind(Frontend("UDP", address, 53)), runtime)
    with client(address) as sock:
        loop = asyncio.get_running_loop()
        answer = b""
        for _ in range(10):  # datagrams may be lost; a client asks again
            sock.send(b"x")
            with contextlib.suppress(TimeoutError):
                answer = await asyncio.wait_for(loop.sock_recv(sock, 100), 0.2)
                break
        assert answer == b"two x"
    listener.close()


@pytest.mark.parametrize("known", [False, True])
async def test_a_burst_to_an_endpoint_where_nobody_listens_goes_to_another(
    runtime: Runtime, address: str, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Two datagrams are lost: the second shows that the first was refused."""
    monkeypatch.setattr("podyard.proxy.balancer.random.randrange", lambda _: -1)
    transport, gone = await backend(b"gone ", address)
    _, alive = await backend(b"", address)
    listener = UdpListener(rule(gone, alive), bind(Frontend("UDP", address, 53)), runtime)
    with client(address) as sock:
        if known:
            assert await ask(sock, b"x") == b"gone x"
        transport.abort()
        await asyncio.sleep(0)
        for number in range(SLOTS):
            sock.send(str(number).encode())
        loop = asyncio.get_running_loop()
        answers = [await asyncio.wait_for(loop.sock_recv(sock, 100), 5) for _ in range(SLOTS - 2)]
        assert answers == [str(number).encode() for number in range(2, SLOTS)]
        assert listener.counters.errors == 1
        assert await ask(sock, b"more") == b"more", "the client stays with it"
    listener.close()


async def test_a_burst_that_nobody_takes_is_lost(runtime: Runtime, address: str) -> None:
    gone = [await backend(b"", address) for _ in range(3)]
    listener = UdpListener(
        rule(*(endpoint for _, endpoint in gone)), bind(Frontend("UDP", address, 53)), runtime
    )
    for transport, _ in gone:
        transport.abort()
    await asyncio.sleep(0)
    with client(address) as sock:
        for _ in range(SLOTS):
            sock.send(b"x")
        await until(lambda: listener.counters.errors == 3)
        assert listener.counters.active == 0
    listener.close()


async def test_a_closed_listener_refuses(runtime: Runtime, address: str) -> None:
    _, one = await backend(b"", address)
    listener = UdpListener(rule(one), bind(Frontend("UDP", address, 53)), runtime)
    listener.close()
    await turned()
    with client(address) as sock, pytest.raises(ConnectionRefusedError):
        await ask(sock, b"x")
