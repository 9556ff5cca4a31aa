"""Resets and ends of either side, and of the listener."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from podyard.proxy.listeners import Runtime
from podyard.proxy.table import Endpoint

from .conftest import turned
from .peers import RESET, SERVICE, ask, backend, connect, echo, listening, proxied, rule, says, until


async def test_a_reset_of_the_backend_reaches_the_client(runtime: Runtime, address: str) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
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
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
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
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            await until(lambda: (counters.connections, counters.active) == (1, 0))


async def test_a_client_that_resets_after_its_end(runtime: Runtime, address: str) -> None:
    counters = runtime.counters.of(SERVICE)
    async with patient(address) as (endpoint, ended):
        with proxied(runtime, address, endpoint):
            with socket.create_connection((address, 80)) as client:
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                await asyncio.wait_for(ended.wait(), 20)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
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
