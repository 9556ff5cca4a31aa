"""Answering 101 to a WebSocket or to SPDY."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from podyard.apiserver.connect.negotiation import Spoken
from podyard.apiserver.connect.spdy.session import LINGER_SECONDS, PING_SECONDS, Session
from podyard.apiserver.connect.upgrade import Upgraded

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


@asynccontextmanager
async def accepted_spdy(
    request: web.Request, spoken: Spoken
) -> AsyncIterator[tuple[web.StreamResponse, Session]]:
    """Answer 101 to SPDY."""
    response = Upgraded(spoken.spdy_headers)
    await response.accept(request)
    session = Session(response)
    async with session.running():
        yield response, session


@asynccontextmanager
async def accepted_websocket(request: web.Request, protocol: str) -> AsyncIterator[web.WebSocketResponse]:
    """Answer 101 to a WebSocket that speaks `protocol` ("": none); it is closed at the end of the block."""
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (),
        max_msg_size=MAX_MESSAGE_BYTES,
        compress=False,
        timeout=LINGER_SECONDS,
    )
    await socket.prepare(request)
    pinging = asyncio.create_task(_ping(socket))
    try:
        yield socket
        await socket.close()
    finally:
        pinging.cancel()
        await asyncio.gather(pinging, return_exceptions=True)


async def _ping(socket: web.WebSocketResponse) -> None:
    # aiohttp's own heartbeat would cut off a client that waits for its reader and so does not answer.
    while True:
        await asyncio.sleep(PING_SECONDS)
        await socket.ping()


class Tunnel:
    """The bytes inside the binary messages of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """The next message's bytes; b"" once the peer has closed."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and message.data:
                return bytes(message.data)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def write(self, data: bytes) -> None:
        """Send one message."""
        await self._socket.send_bytes(data)
