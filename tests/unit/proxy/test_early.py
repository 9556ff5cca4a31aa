"""What a client has sent before it is accepted goes out with the connect."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.connecting import EARLY_BYTES
from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import CHECK_SECONDS

from .peers import SERVICE, backend, deaf, echo, proxied, rule, until, unused

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def early(address: str, data: bytes) -> Stream:
    """A client that has sent `data`, all of it before the runtime's loop turns again."""
    sock = socket.create_connection((address, 80))
    sock.sendall(data)
    return await asyncio.open_connection(sock=sock)


async def echoed(client: Stream, data: bytes) -> None:
    reader, writer = client
    assert await reader.readexactly(len(data)) == data
    writer.write(b"more")
    writer.write_eof()
    assert await reader.read() == b"more"
    writer.close()


@pytest.mark.parametrize("size", [1, EARLY_BYTES - 1, EARLY_BYTES, EARLY_BYTES + 1, 5 * EARLY_BYTES])
async def test_all_of_it_arrives_once(runtime: Runtime, address: str, size: int) -> None:
    data = os.urandom(size)
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            await echoed(await early(address, data), data)
    counters = runtime.counters.of(SERVICE)
    assert (counters.received.count, counters.sent.count) == (size + 4, size + 4)


async def test_it_goes_to_another_endpoint_when_one_refuses(runtime: Runtime, address: str) -> None:
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, unused(address), unused(address), endpoint):
            for _ in range(3):
                await echoed(await early(address, b"once"), b"once")


async def test_it_goes_elsewhere_when_an_endpoint_stays_silent(
    runtime: Runtime, clock: FakeClock, address: str
) -> None:
    with deaf(address) as silent:
        async with backend(echo, address) as endpoint:
            with proxied(runtime, address, silent.getsockname()) as listener:
                client = await early(address, b"patience")
                await until(lambda: bool(listener._connecting))
                listener.update(rule(silent.getsockname(), endpoint))
                for _ in range(2):
                    clock.advance(CHECK_SECONDS)
                await echoed(client, b"patience")


async def test_small_pieces_are_not_held_back(runtime: Runtime, address: str) -> None:
    """With the algorithm of RFC 896 a second small piece would wait until the first is acknowledged."""
    async with backend(echo, address) as endpoint:
        with proxied(runtime, address, endpoint):
            reader, writer = await early(address, b"1")
            assert await reader.readexactly(1) == b"1"
            assert no_delay(runtime, endpoint) is False
            writer.write(b"2")
            assert await reader.readexactly(1) == b"2"
            assert no_delay(runtime, endpoint) is True
            writer.close()


def no_delay(runtime: Runtime, peer: tuple[str, int]) -> bool | None:
    """Whether the proxy's socket to `peer` sends small pieces at once."""
    for descriptor in runtime.poller._handlers:
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            try:
                if sock.getpeername() == peer:
                    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            except OSError:
                continue
    return None
