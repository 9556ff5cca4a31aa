"""Numbered channels in a WebSocket: *.channel.k8s.io (k8s.io/apimachinery/pkg/util/httpstream/wsstream).

Every message begins with the number of its channel: a byte, or in the protocols for clients that can
handle text alone a digit, with base64 after it. A client may call its messages binary or text.
"""

from __future__ import annotations

import base64

from aiohttp import WSMsgType, web

from podyard.api.errors import bad_request

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
V1 = "channel.k8s.io"
V1_BASE64 = "base64.channel.k8s.io"
UNNAMED = ""
"""The client names no protocol: V1."""


class ChannelSocket:
    """The channels in a WebSocket that speaks `protocol`."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self._socket = socket
        self._base64 = protocol in (V4_BASE64, V1_BASE64)

    async def send(self, channel: int, data: bytes) -> None:
        """Send one message."""
        if self._base64:
            await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message: its channel and its data; None once the client has closed.

        Raises StatusError 400 for what is not base64 where that is due.
        """
        async for message in self._socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and message.data:
                data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                return self._decode(data)
        return None

    async def close(self) -> None:
        """Close it, and wait until the client has, too."""
        await self._socket.close()

    def _decode(self, message: bytes) -> tuple[int, bytes]:
        if not self._base64:
            return message[0], message[1:]
        try:
            return message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
        except ValueError:
            raise bad_request("the message is not base64") from None
