"""exec and attach multiplexed over a WebSocket: *.channel.k8s.io.

Every binary message begins with the number of its channel. In version 5 the channel 255 closes
the channel that its second byte names (KEP-4006); version 4 cannot close standard input.
"""

from __future__ import annotations

from enum import IntEnum

import orjson
from aiohttp import WSMsgType, web

from podyard.apiserver.connect.remote import Options, Status, terminal_size
from podyard.proto.streaming_pb2 import StreamInput

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
"""What is spoken, the preferred first."""


class Channel(IntEnum):
    """The channels."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


class WebSocketRemote:
    """A client behind a WebSocket (implements Remote)."""

    def __init__(self, socket: web.WebSocketResponse, options: Options) -> None:
        self._socket = socket
        self._options = options

    async def open(self) -> bool:
        """Tell the client, by an empty message, that the stream stands."""
        await self._socket.send_bytes(encode(first_output(self._options), b""))
        return True

    async def receive(self) -> StreamInput | None:
        """The next input; None once the client has closed."""
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                item = decode(message.data, self._options)
                if item is not None:
                    return item
        return None

    async def stdout(self, data: bytes) -> None:
        """Output."""
        await self._socket.send_bytes(encode(Channel.STDOUT, data))

    async def stderr(self, data: bytes) -> None:
        """Output of the other kind."""
        await self._socket.send_bytes(encode(Channel.STDERR, data))

    async def finish(self, status: Status) -> None:
        """The Status on its channel, then the closing handshake."""
        await self._socket.send_bytes(encode(Channel.ERROR, orjson.dumps(status)))
        await self._socket.close()


def first_output(options: Options) -> Channel:
    """The channel on which an empty message tells the client that the stream stands."""
    if options.stdout:
        return Channel.STDOUT
    return Channel.STDERR if options.stderr else Channel.ERROR


def encode(channel: Channel, data: bytes) -> bytes:
    """One message."""
    return bytes((channel,)) + data


def decode(message: bytes, options: Options) -> StreamInput | None:
    """What a client's message means to the kubelet; None for nothing. Raises StatusError 400."""
    if not message:
        return None
    channel, data = message[0], message[1:]
    if channel == Channel.STDIN:
        return StreamInput(stdin=data) if data and options.stdin else None
    if channel == Channel.CLOSE:
        closes_stdin = data[:1] == bytes((Channel.STDIN,))
        return StreamInput(stdin_closed=True) if closes_stdin and options.stdin else None
    if channel == Channel.RESIZE:
        return StreamInput(resize=terminal_size(data)) if options.tty and data else None
    return None
