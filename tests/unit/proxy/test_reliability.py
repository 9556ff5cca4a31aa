"""Clients and endpoints that behave badly: the others are served, and nothing is kept of the bad."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy import pipes
from podyard.proxy.attempt import is_connected
from podyard.proxy.descriptors import RETRY_SECONDS
from podyard.proxy.listeners import Runtime, tcp
from podyard.proxy.pipes import KEPT
from podyard.proxy.table import Frontend

from .conftest import turned
from .peers import RESET, SERVICE, ask, backend, connect, deaf, echo, proxied, rule, until
from .test_workers import Proxy, proxy

__all__ = ["proxy"]

BAD = 200
MOST = 20
IDLE = 20_000


def free(runtime: Runtime) -> int:
    return runtime.descriptors._free


@contextlib.asynccontextmanager
async def nothing_is_kept(runtime: Runtime) -> AsyncIterator[None]:
    """All descriptors come back, but for the few pipes that are kept for reuse."""
    before = free(runtime)
    yield
    await until(lambda: runtime.counters.of(SERVICE).active == 0)
    await turned()
    assert before - 2 * KEPT <= free(runtime) <= before


async def serves(address: str, number: int = 20) -> None:
    questions = [b"%d" % number for number in range(number)]
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(ask(address, question) for question in questions)) == questions


async def test_slow_clients(runtime: Runtime, address: str) -> None:
    """Slow loris: a byte now and then, and never a whole request."""
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            async with nothing_is_kept(runtime):
                slow = [await connect(address) for _ in range(BAD)]
                for _ in range(5):
                    for reader, writer in slow:
                        writer.write(b"x")
                        assert await reader.readexactly(1) == b"x"
                    await serves(address)
                for _, writer in slow:
                    writer.close()


async def test_clients_that_say_nothing_and_vanish(runtime: Runtime, address: str) -> None:
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            async with nothing_is_kept(runtime):
                silent = [socket.create_connection((address, 80)) for _ in range(BAD)]
                await until(lambda: runtime.counters.of(SERVICE).active == BAD)
                await serves(address)
                for number, sock in enumerate(silent):
                    if number % 2:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    sock.close()


async def test_clients_that_never_read(
    runtime: Runtime, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They get what the kernel's buffers hold; pipes, which pin memory, are bounded."""

    monkeypatch.setattr(pipes, "MOST", MOST)

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if await reader.read(1) == b"?":
                writer.write(b"!")
            else:
                while True:
                    writer.write(bytes(1 << 20))
                    await writer.drain()
        writer.close()

    async with backend(pour, address) as endpoint:
        with proxied(runtime, address, endpoint):
            async with nothing_is_kept(runtime):
                deaf = [socket.create_connection((address, 80)) for _ in range(MOST + 20)]
                for sock in deaf:
                    sock.send(b"x")
                await until(lambda: runtime.pipes._given == MOST)
                sent, same = -1, 0
                while same < 50:  # until nothing moves any more
                    same = same + 1 if runtime.counters.of(SERVICE).sent.count == sent else 0
                    sent = runtime.counters.of(SERVICE).sent.count
                    await asyncio.sleep(0)
                    assert runtime.pipes._given <= MOST
                for _ in range(20):
                    assert await ask(address, b"?") == b"!"
                for sock in deaf:
                    sock.close()


async def test_an_endpoint_that_accepts_and_never_answers(runtime: Runtime, address: str) -> None:
    """Nobody can tell it from a slow one: who is sent there waits, the others do not."""
    hung: list[asyncio.StreamWriter] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.append(writer)
        await reader.read()

    async with backend(hang, address) as bad, backend(echo, address) as good:
        with proxied(runtime, address, bad, good):
            async with nothing_is_kept(runtime):
                asking = [asyncio.create_task(ask(address, b"%d" % number)) for number in range(BAD)]
                await until(lambda: len(hung) == BAD // 2)
                await until(lambda: sum(task.done() for task in asking) == BAD // 2)
                for writer in hung:
                    writer.close()
                answers = await asyncio.gather(*asking)
                assert sum(answer == b"" for answer in answers) == BAD // 2


async def test_a_pile_of_connections_that_nobody_accepts(runtime: Runtime, address: str) -> None:
    """An endpoint's queue is full: connects to it get no answer; those to the other go on."""
    with deaf(address) as full:
        async with backend(echo, address) as good:
            with proxied(runtime, address, full.getsockname(), good):
                waiting = [asyncio.create_task(ask(address, b"x")) for _ in range(20)]
                await until(lambda: sum(task.done() for task in waiting) == 10)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
    await until(lambda: runtime.counters.of(SERVICE).active == 0)


async def test_the_accept_queue_overflows(
    runtime: Runtime, clock: FakeClock, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More clients come than the queue holds: nobody is refused, and who is connected is served.

    The kernel repeats the SYN of those that find no room after 1 s (RFC 6298, section 2).
    """
    monkeypatch.setattr(tcp, "BACKLOG", 8)
    counters = runtime.counters.of(SERVICE)
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            async with nothing_is_kept(runtime):
                reader, writer = await connect(address)
                await until(lambda: counters.active == 1)
                taken = free(runtime)
                assert runtime.descriptors.take(taken)
                with contextlib.ExitStack() as stack:
                    clients = [stack.enter_context(socket.socket()) for _ in range(16)]
                    for client in clients:
                        client.setblocking(False)
                        client.connect_ex((address, 80))
                    await until(lambda: runtime.descriptors.pauses == 1)
                    assert sum(map(is_connected, clients)) < len(clients)
                    writer.write(b"x")
                    assert await reader.readexactly(1) == b"x"
                    writer.close()
                    runtime.descriptors.give(taken)
                    clock.advance(RETRY_SECONDS)
                    await until(lambda: counters.connections == 1 + len(clients))
                    for client in clients:
                        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


async def test_a_reset_in_the_middle_of_bulk_leaks_nothing_to_the_next(
    runtime: Runtime, address: str
) -> None:
    """What is left in a pipe when its connection breaks must not reach another client."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mark = await reader.readexactly(1)
        with contextlib.suppress(ConnectionError):
            for _ in range(8):
                writer.write(mark * (1 << 20))
                await writer.drain()
        writer.close()

    async with backend(pour, address) as endpoint:
        with proxied(runtime, address, endpoint):
            for _ in range(5):
                with socket.create_connection((address, 80)) as rude:
                    rude.send(b"A")
                    await until(lambda: runtime.pipes._given == 1)
                    await turned()
                    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await until(lambda: runtime.counters.of(SERVICE).active == 0)
                reader, writer = await connect(address)
                writer.write(b"B")
                received = await reader.read(-1)
                assert len(received) == 8 << 20
                assert received.count(b"B") == len(received)
                writer.close()


async def test_idle_connections(proxy: Proxy, address: str) -> None:
    """20,000 of them, or what this machine's limit of open files lets one process hold both ends of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = min(IDLE, (hard - 1000) // 2)
    frontend = Frontend("TCP", address, 80)
    try:
        async with backend(echo, address) as endpoint:
            proxy.serve({frontend: rule(endpoint)})
            with contextlib.ExitStack() as stack:
                loop = asyncio.get_running_loop()
                for count in range(number):
                    sock = stack.enter_context(socket.socket())
                    sock.setblocking(False)
                    await loop.sock_connect(sock, (address, 80))
                    if count % 1000 == 0:
                        await serves(address)
                await until(lambda: proxy.metrics.services().get(SERVICE, (0, 0))[1] >= number)
                await serves(address)
                await loop.sock_sendall(sock, b"awake")
                assert await loop.sock_recv(sock, 100) == b"awake"
            await until(lambda: proxy.metrics.services()[SERVICE][1] == 0)
            await serves(address)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
