"""exec and attach over a WebSocket: a channel for each of stdin, stdout, stderr, error and resize.

In version 5 the channel 255 closes the channel that its second byte names (KEP-4006); those before it cannot
close standard input.
"""

from __future__ import annotations

from enum import IntEnum

from podyard.apiserver.connect.channels import UNNAMED, V1, V1_BASE64, V4, V4_BASE64, V5, ChannelSocket
from podyard.apiserver.connect.remote import Options, Status, end_text, terminal_size
from podyard.proto.streaming_pb2 import StreamInput

PROTOCOLS = (V5, V4, V4_BASE64, V1, V1_BASE64, UNNAMED)
"""What is spoken: 4 and 5 tell the end as a Status."""


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

    def __init__(self, socket: ChannelSocket, options: Options, protocol: str) -> None:
        self._socket = socket
        self._options = options
        self._protocol = protocol

    async def open(self) -> bool:
        """Tell the client, by an empty message, that the stream stands."""
        await self._socket.send(first_output(self._options), b"")
        return True

    async def receive(self) -> StreamInput | None:
        """The next input; None once the client has closed."""
        while (message := await self._socket.receive()) is not None:
            item = meaning(*message, self._options)
            if item is not None:
                return item
        return None

    async def stdout(self, data: bytes) -> None:
        """Output."""
        await self._socket.send(Channel.STDOUT, data)

    async def stderr(self, data: bytes) -> None:
        """Output of the other kind."""
        await self._socket.send(Channel.STDERR, data)

    async def finish(self, status: Status) -> None:
        """The Status (or, before version 4, its text) on its channel, then the closing handshake."""
        data = end_text(status, as_status=self._protocol in (V5, V4, V4_BASE64))
        if data:
            await self._socket.send(Channel.ERROR, data)
        await self._socket.close()


def first_output(options: Options) -> Channel:
    """The channel on which an empty message tells the client that the stream stands."""
    if options.stdout:
        return Channel.STDOUT
    return Channel.STDERR if options.stderr else Channel.ERROR


def meaning(channel: int, data: bytes, options: Options) -> StreamInput | None:
    """What a client's message means to the kubelet; None for nothing. Raises StatusError 400."""
    if channel == Channel.STDIN:
        return StreamInput(stdin=data) if data and options.stdin else None
    if channel == Channel.CLOSE:
        closes_stdin = data[:1] == bytes((Channel.STDIN,))
        return StreamInput(stdin_closed=True) if closes_stdin and options.stdin else None
    if channel == Channel.RESIZE:
        return StreamInput(resize=terminal_size(data)) if options.tty and data else None
    return None
