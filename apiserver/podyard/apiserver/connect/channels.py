"""How exec and attach are multiplexed over a WebSocket: *.channel.k8s.io.

Every binary message begins with the number of its channel. In version 5 the channel 255 closes
the channel that its second byte names (KEP-4006); version 4 cannot close standard input.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from podyard.api.errors import bad_request
from podyard.proto.streaming_pb2 import StreamExit, StreamInput, TerminalSize

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
"""What is spoken, the preferred first."""

MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class Channel(IntEnum):
    """The channels."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


@dataclass(frozen=True, slots=True)
class Options:
    """Which streams are wanted (PodExecOptions, PodAttachOptions)."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False

    @property
    def first_output(self) -> Channel:
        """The channel on which an empty message tells the client that the stream stands."""
        if self.stdout:
            return Channel.STDOUT
        return Channel.STDERR if self.stderr else Channel.ERROR


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
        return StreamInput(resize=_terminal_size(data)) if options.tty and data else None
    return None


def _terminal_size(data: bytes) -> TerminalSize:
    try:
        size = orjson.loads(data)
        return TerminalSize(width=int(size["Width"]), height=int(size["Height"]))
    except (ValueError, KeyError, TypeError):
        raise bad_request("the terminal size cannot be decoded") from None


def exit_status(ended: StreamExit) -> dict[str, Any]:
    """The Status on the error channel that tells how the command ended."""
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    if ended.message:
        return {
            **status,
            "status": "Failure",
            "reason": "InternalError",
            "message": ended.message,
            "code": 500,
        }
    if ended.code == 0:
        return {**status, "status": "Success"}
    return {
        **status,
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {ended.code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(ended.code)}]},
    }
