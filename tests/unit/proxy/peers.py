"""Both ends of proxied TCP connections: backends, clients, and a listener between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import TcpListener, listen
from podyard.proxy.sockets import bind
from podyard.proxy.table import Endpoint, Frontend, Rule

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SERVICE = ("default", "web")
RESET = b"\1\0\0\0\0\0\0\0"
"""For SO_LINGER: closing resets the connection."""


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
