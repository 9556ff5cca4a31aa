"""One forwarded connection, whatever carries it to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from podyard.apiserver.connect.inbox import Inbox
from podyard.apiserver.connect.pod_connection import PodConnection, PodUnreachable

if TYPE_CHECKING:
    from podyard.proto.streaming_pb2_grpc import StreamingAsyncStub

HIGH_WATER_BYTES = 1024 * 1024
"""As much is held for a connection whose pod does not read; then all connections of the session wait."""

Send = Callable[[bytes], Awaitable[None]]
"""Gives the client bytes; waits while it does not read."""

log = logging.getLogger(__name__)


async def forward(
    kubelet: StreamingAsyncStub, pod: Mapping[str, Any], port: int, inbox: Inbox, send: Send
) -> str:
    """Connect to a port of a pod, and pass on what comes until the pod ends; gives why it failed, or ""."""
    connection = PodConnection(kubelet, pod, port)
    sending = asyncio.create_task(_send_input(connection, inbox))
    try:
        while chunk := await connection.read():
            await send(chunk)
        return ""
    except PodUnreachable as failure:
        metadata = pod["metadata"]
        text = f"error forwarding port {port} to pod {metadata['name']}, uid {metadata['uid']}: {failure}"
        log.info("%s", text)
        return text
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        connection.close()


async def _send_input(connection: PodConnection, inbox: Inbox) -> None:
    await connection.open()
    while chunk := await inbox.get():
        await connection.write(chunk)
    await connection.end()


def port_number(text: str) -> int | None:
    """A port number, or None for what is none."""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65536 else None
