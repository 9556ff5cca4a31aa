"""Answers that last, watches and logs: in chunks, or as messages of a WebSocket, for scripts in browsers.

Source: pkg/endpoints/handlers/watch.go and pkg/util/wsstream of k8s.io/apiserver.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from podyard.apiserver.connect.accept import accepted_websocket
from podyard.apiserver.connect.negotiation import negotiate_stream, upgrade_of

BINARY = "binary.k8s.io"
BASE64 = "base64.binary.k8s.io"
PROTOCOLS = (BINARY, BASE64, "")

Write = Callable[[bytes], Awaitable[None]]
"""Sends some more; waits while the client does not read."""


@asynccontextmanager
async def lasting_answer(
    request: web.Request, content_type: str, *, text: bool
) -> AsyncIterator[tuple[web.StreamResponse, Write]]:
    """Begin to answer; the answer ends with the block. `text`: it is lines of text, one a message."""
    if upgrade_of(request.headers).lower() == "websocket":
        protocol = negotiate_stream(request.headers, spdy=(), websocket=PROTOCOLS).protocol
        async with accepted_websocket(request, protocol) as socket, _while_it_is_there(socket):
            yield socket, _messages(socket, "text" if text else protocol)
        return
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    yield response, response.write
    await response.write_eof()


def _messages(socket: web.WebSocketResponse, kind: str) -> Write:
    async def write(data: bytes) -> None:
        if kind == "text":
            await socket.send_str(data.decode())
        elif kind == BASE64:
            await socket.send_str(base64.b64encode(data).decode())
        else:
            await socket.send_bytes(data)

    return write


@asynccontextmanager
async def _while_it_is_there(socket: web.WebSocketResponse) -> AsyncIterator[None]:
    """Cancels the current task when the client closes."""
    task = asyncio.current_task()
    assert task is not None

    async def until_closed() -> None:
        async for _ in socket:
            pass
        task.cancel()

    reading = asyncio.create_task(until_closed())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
