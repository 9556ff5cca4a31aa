from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.descriptors import RETRY_SECONDS
from podyard.proxy.listeners import Runtime
from podyard.proxy.sockets import share

from .peers import SERVICE, ask, backend, connect, echo, proxied, rule, says, until


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
