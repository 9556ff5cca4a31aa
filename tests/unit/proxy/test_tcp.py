from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.attempt import KEEPALIVE_SECONDS
from podyard.proxy.connecting import CONNECT_TRIES, LAST_CHECKS
from podyard.proxy.descriptors import RETRY_SECONDS
from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import CHECK_SECONDS, TcpListener, listen
from podyard.proxy.sockets import bind, share
from podyard.proxy.table import Endpoint, Frontend, Rule

from .conftest import turned

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SERVICE = ("default", "web")
RESET_AT_CLOSE = b"\1\0\0\0\0\0\0\0"


@contextlib.asynccontextmanager
async def backend(serve: Serve, address: str) -> AsyncIterator[Endpoint]:
    server = await asyncio.start_server(serve, address, 0, limit=1 << 20, backlog=1000)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


def listening(runtime: Runtime, address: str, *endpoints: Endpoint, affinity: int = 0) -> TcpListener:
    sock = bind(Frontend("TCP", address, 80))
    listen(sock)
    return TcpListener(rule(*endpoints, affinity=affinity), sock, runtime)


@contextlib.contextmanager
def proxied(runtime: Runtime, address: str, *endpoints: Endpoint, affinity: int = 0):  # type: ignore[no-untyped-def]
    listener = listening(runtime, address, *endpoints, affinity=affinity)
    try:
        yield listener
    finally:
        listener.close()


def rule(*endpoints: Endpoint, affinity: int = 0) -> Rule:
    return Rule(SERVICE, "", "ClusterIP", endpoints, affinity)


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(address, 80)


async def ask(address: str, question: bytes = b"") -> bytes:
    reader, writer = await connect(address)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what the kernel does has no Event)
            await asyncio.sleep(0)


def says(word: bytes) -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(word)
        await writer.drain()
        writer.close()

    return serve


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 20):
        writer.write(data)
        await writer.drain()
    writer.close()


def unused(address: str) -> Endpoint:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind((address, 0))
        return address, sock.getsockname()[1]


async def test_both_endpoints_are_reached(runtime: Runtime, address: str) -> None:
    async with backend(says(b"one"), address) as one, backend(says(b"two"), address) as two:
        with proxied(runtime, address, one, two):
            assert sorted([await ask(address) for _ in range(4)]) == [b"one", b"one", b"two", b"two"]
    counters = runtime.counters.of(SERVICE)
    await until(lambda: counters.active == 0)
    assert (counters.connections, counters.sent.count, counters.errors) == (4, 12, 0)


async def test_only_admitted_sources(runtime: Runtime, address: str) -> None:
    async with backend(says(b"one"), address) as one:
        with proxied(runtime, address, one) as listener:
            free = runtime.descriptors._free
            listener.update(replace(rule(one), sources=(ip_network("127.200.0.0/16"),)))
            with pytest.raises(ConnectionResetError):
                await ask(address, b"from 127.0.0.1")
            assert runtime.descriptors._free == free
            reader, _ = await asyncio.open_connection(address, 80, local_addr=(address, 0))
            assert await reader.read() == b"one"


async def test_bulk_both_ways_is_whole(runtime: Runtime, address: str) -> None:
    data = os.urandom(1 << 20) * 24
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            reader, writer = await connect(address)

            async def send() -> None:
                writer.write(data)
                await writer.drain()
                writer.write_eof()

            sender = asyncio.create_task(send())
            digest, size = hashlib.sha256(), 0
            while piece := await reader.read(1 << 20):
                digest.update(piece)
                size += len(piece)
            await sender
            writer.close()
    assert (size, digest.digest()) == (len(data), hashlib.sha256(data).digest())
    counters = runtime.counters.of(SERVICE)
    assert (counters.received.count, counters.sent.count) == (len(data), len(data))


async def test_small_exchanges_after_bulk(runtime: Runtime, address: str) -> None:
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            reader, writer = await connect(address)
            for size in [1, 1 << 21, 1, 10, 100_000, 1, 2, 3, 4, 5, 6, 7, 1 << 20, 1]:
                data = os.urandom(size)
                writer.write(data)
                assert await reader.readexactly(size) == data
            writer.close()


async def test_half_close_the_answer_comes_after_the_end_of_the_question(
    runtime: Runtime, address: str
) -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = len(await reader.read())
        writer.write(b"%d" % size)
        writer.close()

    async with backend(count, address) as endpoint:
        with proxied(runtime, address, endpoint):
            assert await ask(address, b"x" * 12345) == b"12345"
            assert await ask(address) == b"0"


@pytest.mark.parametrize("ends", [False, True])
async def test_urgent_data_holds_nothing_up(runtime: Runtime, address: str, ends: bool) -> None:
    """It is dropped itself, but a read that stops before it (tcp(7)) is not the last one."""
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            client = socket.create_connection((address, 80))
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"first")
            assert await reader.readexactly(5) == b"first"
            with client.dup() as plain:
                plain.send(b"be")
                plain.send(b"!", socket.MSG_OOB)
                plain.send(b"fore")
                if ends:
                    plain.shutdown(socket.SHUT_WR)
            assert await asyncio.wait_for(reader.readexactly(6), 10) == b"before"
            writer.close()


async def test_a_refused_connect_goes_to_another_endpoint(runtime: Runtime, address: str) -> None:
    async with backend(says(b"here"), address) as endpoint:
        with proxied(runtime, address, unused(address), unused(address), endpoint):
            assert [await ask(address) for _ in range(6)] == [b"here"] * 6
    assert runtime.counters.of(SERVICE).errors > 0


async def test_an_address_that_is_none_goes_to_another_endpoint(runtime: Runtime, address: str) -> None:
    async with backend(says(b"one"), address) as one:
        with proxied(runtime, address, ("fd00::1%nosuch", 80), one):
            assert await asyncio.gather(*(ask(address) for _ in range(6))) == [b"one"] * 6


async def test_no_endpoint_answers_the_client_is_reset(runtime: Runtime, address: str) -> None:
    with proxied(runtime, address, *[unused(address) for _ in range(CONNECT_TRIES + 5)]):
        reader, writer = await connect(address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    counters = runtime.counters.of(SERVICE)
    assert (counters.active, counters.errors) == (0, CONNECT_TRIES)


@contextlib.contextmanager
def deaf(address: str) -> Iterator[socket.socket]:
    """A server with a full accept queue: further connects get no answer, until it accepts."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((address, 0))
        listening.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening


async def test_an_endpoint_that_never_answers_is_passed_over(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent:
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, silent.getsockname()) as listener:
                asking = asyncio.create_task(ask(address))
                await until(lambda: bool(listener._connecting))
                listener.update(rule(silent.getsockname(), endpoint))
                clock.advance(CHECK_SECONDS)
                assert listener._connecting
                # Who comes now does not wait, and the one that does goes where they go.
                assert [await ask(address) for _ in range(4)] == [b"here"] * 4
                clock.advance(CHECK_SECONDS)
                assert await asking == b"here"


async def test_most_endpoints_never_answer(runtime: Runtime, clock: FakeClock, address: str) -> None:
    """As where a node is cut off from the others, and has a third of the pods."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(deaf(address)).getsockname() for _ in range(8)]
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, *silent) as listener:
                asking = asyncio.create_task(ask(address))
                await until(lambda: bool(listener._connecting))
                for _ in range(2 * (len(silent) - 1)):
                    clock.advance(CHECK_SECONDS)
                listener.update(rule(*silent, endpoint))  # the only one that has not been tried
                clock.advance(CHECK_SECONDS)
                clock.advance(CHECK_SECONDS)
                assert not listener._connecting
                assert await asking == b"here"


async def test_the_second_that_finds_an_endpoint_silent_waits_less(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent:
        async with backend(says(b"here"), address) as endpoint:
            with proxied(runtime, address, silent.getsockname()) as listener:
                first = asyncio.create_task(ask(address))
                await until(lambda: len(listener._connecting) == 1)
                clock.advance(CHECK_SECONDS / 2)
                second = asyncio.create_task(ask(address))
                await until(lambda: len(listener._connecting) == 2)
                listener.update(rule(silent.getsockname(), endpoint))
                clock.advance(CHECK_SECONDS / 2)
                assert len(listener._connecting) == 2
                clock.advance(CHECK_SECONDS / 2)
                assert await second == b"here"
                assert len(listener._connecting) == 1
                clock.advance(CHECK_SECONDS / 2)
                assert await first == b"here"


async def test_an_endpoint_without_another_is_waited_for(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent, proxied(runtime, address, silent.getsockname()) as listener:
        reader, writer = await connect(address)
        await until(lambda: bool(listener._connecting))
        for _ in range(LAST_CHECKS - 1):
            clock.advance(CHECK_SECONDS)
            assert listener._connecting
        clock.advance(CHECK_SECONDS)
        assert not listener._connecting
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_backend_whose_host_is_gone_is_noticed(runtime: Runtime, address: str) -> None:
    """Though nothing is sent: the client's own keepalive asks the proxy alone."""

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        await reader.read()
        writer.close()

    async with backend(stay, "0.0.0.0") as endpoint:  # this host, by a name that does not say so
        with proxied(runtime, address, endpoint):
            reader, writer = await connect(address)
            assert await reader.read(4) == b"here"
            seconds = keepalive(("127.0.0.1", endpoint[1]))
            assert seconds is not None
            assert KEEPALIVE_SECONDS - 30 < seconds <= KEEPALIVE_SECONDS
            writer.close()


def keepalive(peer: Endpoint) -> float | None:
    """When the kernel will ask whether `peer` is still there, for a connection to it (proc_net_tcp.txt)."""
    host = socket.inet_aton(peer[0])[::-1].hex().upper()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        remote, state, _, timer = line.split()[2:6]
        kind, _, ticks = timer.partition(":")
        if (remote, state, kind) == (f"{host}:{peer[1]:04X}", "01", "02"):
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK")
    return None


async def test_a_reset_of_the_backend_reaches_the_client(runtime: Runtime, address: str) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        writer.close()

    async with backend(reset, address) as endpoint:
        with proxied(runtime, address, endpoint):
            reader, writer = await connect(address)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
    assert runtime.counters.of(SERVICE).active == 0


async def test_a_reset_of_the_client_reaches_the_backend(runtime: Runtime, address: str) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(100):
                pass
            seen.set_result("end")
        except ConnectionResetError:
            seen.set_result("reset")
        writer.close()

    async with backend(serve, address) as endpoint:
        with proxied(runtime, address, endpoint):
            with socket.create_connection((address, 80)) as client:
                client.sendall(b"x")
                await until(lambda: runtime.counters.of(SERVICE).received.count == 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            assert await asyncio.wait_for(seen, 20) == "reset"
    assert runtime.counters.of(SERVICE).active == 0


@contextlib.asynccontextmanager
async def patient(address: str) -> AsyncIterator[tuple[Endpoint, asyncio.Event]]:
    """A backend that reads to the end, and then says nothing and does not end; whether the end was there."""
    ended, release = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
            ended.set()
            await release.wait()
        writer.close()

    async with backend(serve, address) as endpoint:
        try:
            yield endpoint, ended
        finally:
            release.set()


async def test_a_client_that_resets_before_it_is_accepted(runtime: Runtime, address: str) -> None:
    counters = runtime.counters.of(SERVICE)
    async with patient(address) as (endpoint, _):
        with proxied(runtime, address, endpoint):
            with socket.create_connection((address, 80)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            await until(lambda: (counters.connections, counters.active) == (1, 0))


async def test_a_client_that_resets_after_its_end(runtime: Runtime, address: str) -> None:
    counters = runtime.counters.of(SERVICE)
    async with patient(address) as (endpoint, ended):
        with proxied(runtime, address, endpoint):
            with socket.create_connection((address, 80)) as client:
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                await asyncio.wait_for(ended.wait(), 20)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            await until(lambda: (counters.connections, counters.active) == (1, 0))


async def test_an_answer_that_was_sent_before_the_backend_hung_up_arrives(
    runtime: Runtime, address: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"too large" * 1000)
        writer.close()

    async with backend(refuse, address) as endpoint:
        with proxied(runtime, address, endpoint):
            with socket.create_connection((address, 80)) as client:
                client.setblocking(False)
                client.send(b"x" * 100)
                loop, answer = asyncio.get_running_loop(), b""
                while len(answer) < 9000:
                    answer += await loop.sock_recv(client, 9000)
            assert answer == b"too large" * 1000


async def test_established_connections_outlive_the_endpoint_and_the_listener(
    runtime: Runtime, address: str
) -> None:
    async with backend(echo, address) as old, backend(says(b"new"), address) as new:
        listener = listening(runtime, address, old)
        reader, writer = await connect(address)
        writer.write(b"1")
        assert await reader.readexactly(1) == b"1"
        listener.update(rule(new))
        assert await ask(address) == b"new"
        listener.close()
        await turned()
        with pytest.raises(ConnectionRefusedError):
            await connect(address)
        writer.write(b"2")
        assert await reader.readexactly(1) == b"2"
        writer.close()


async def test_clients_in_the_accept_queue_are_served_when_the_listener_closes(
    runtime: Runtime, address: str
) -> None:
    async with backend(says(b"here"), address) as endpoint:
        listener = listening(runtime, address, endpoint)
        clients = [socket.create_connection((address, 80)) for _ in range(100)]
        listener.close()
        loop = asyncio.get_running_loop()
        for client in clients:
            client.setblocking(False)
            assert await loop.sock_recv(client, 10) == b"here"
            client.close()


async def test_descriptors_used_up_clients_wait_and_are_served_later(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            counters = runtime.counters.of(SERVICE)
            free = runtime.descriptors._free
            assert runtime.descriptors.take(free - 4)
            held = [await connect(address) for _ in range(2)]
            await until(lambda: counters.active == 2)
            waiting = asyncio.create_task(ask(address, b"late"))
            await until(lambda: runtime.descriptors.pauses == 1)
            held[0][1].close()
            await until(lambda: counters.active == 1)
            clock.advance(RETRY_SECONDS)
            assert await waiting == b"late"
            held[1][1].close()
            await until(lambda: counters.active == 0)
            assert runtime.descriptors._free == 4


async def test_workers_share_an_address_and_with_affinity_one_takes_all(
    runtime: Runtime, address: str
) -> None:
    async with backend(says(b"one"), address) as one, backend(says(b"two"), address) as two:
        with proxied(runtime, address, one) as first, proxied(runtime, address, two):
            assert {await ask(address) for _ in range(60)} == {b"one", b"two"}
            share(first._socket, True)
            assert len({await ask(address) for _ in range(60)}) == 1
            share(first._socket, False)
            assert {await ask(address) for _ in range(60)} == {b"one", b"two"}


async def test_many_at_once(runtime: Runtime, address: str) -> None:
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            questions = [os.urandom(1000 + 37 * number) for number in range(300)]
            assert await asyncio.gather(*(ask(address, question) for question in questions)) == questions
    counters = runtime.counters.of(SERVICE)
    await until(lambda: counters.active == 0)
    assert counters.errors == 0
