"""The client's end of exec and attach, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from podyard.api.errors import bad_request
from podyard.proto.streaming_pb2 import StreamExit, StreamInput, TerminalSize

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Which streams are wanted (PodExecOptions, PodAttachOptions)."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Remote(Protocol):
    """A client that has been answered 101. Failures are ConnectionError."""

    async def open(self) -> bool:
        """Begin; False when the client does not do what it has announced."""

    async def receive(self) -> StreamInput | None:
        """Its next input; None once it is gone. Raises StatusError for what cannot be understood."""

    async def stdout(self, data: bytes) -> None:
        """Give it output; waits while it does not read."""

    async def stderr(self, data: bytes) -> None:
        """Give it output of the other kind."""

    async def finish(self, status: Status) -> None:
        """Tell it how the command ended, and wait until it has closed."""


def terminal_size(data: bytes) -> TerminalSize:
    """The size of a terminal, from remotecommand.TerminalSize as JSON. Raises StatusError 400."""
    try:
        size = orjson.loads(data)
        return TerminalSize(width=int(size["Width"]), height=int(size["Height"]))
    except (ValueError, KeyError, TypeError):
        raise bad_request("the terminal size cannot be decoded") from None


def end_text(status: Status, *, as_status: bool) -> bytes:
    """What a client is told at the end: the Status, or in old protocols the text of a failure."""
    if as_status:
        return orjson.dumps(status)
    return b"" if status["status"] == "Success" else str(status.get("message", "")).encode()


def exit_status(ended: StreamExit) -> Status:
    """The Status that tells how the command ended."""
    status: Status = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
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
