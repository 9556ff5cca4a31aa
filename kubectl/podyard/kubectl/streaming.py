"""exec and attach: our three streams and a container's, over one WebSocket.

Source: k8s.io/client-go tools/remotecommand (v5.channel.k8s.io, v4.channel.k8s.io).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from podyard.kubectl import terminal
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session
from podyard.kubectl.websocket import WebSocket, connect

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_CHUNK = 32 * 1024


@dataclass(frozen=True, slots=True)
class Streams:
    """What to connect. `input` and `output` replace standard input and output."""

    stdin: bool = False
    tty: bool = False
    quiet: bool = False
    input: BinaryIO | None = None
    output: BinaryIO | None = None


def with_terminal(session: Session, streams: Streams) -> Streams:
    """The streams with `tty` only where there is a terminal; says so when there is none."""
    if not streams.stdin:
        return Streams(False, False, streams.quiet, None, streams.output)
    if streams.tty and not sys.stdin.isatty():
        if not streams.quiet:
            session.err("Unable to use a TTY - input is not a terminal or the right kind of file\n")
        return Streams(True, False, streams.quiet, streams.input, streams.output)
    return streams


def run_stream(
    session: Session,
    namespace: str,
    pod: str,
    verb: str,
    container: str,
    command: list[str],
    streams: Streams,
) -> int:
    """Run `command` in a container (`exec`), or attach to it; gives the exit status of the command.

    Raises CommandError when the stream fails.
    """
    query = {
        "container": container,
        "command": command,
        "stdin": "true" if streams.stdin else "",
        "stdout": "true",
        "stderr": "" if streams.tty else "true",
        "tty": "true" if streams.tty else "",
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/{verb}"
    socket = connect(session.transport, path, query, (V5, V4))
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        stack.callback(socket.close)
        if streams.tty:
            stack.enter_context(terminal.raw())
            stack.enter_context(terminal.on_resize(lambda: _send_size(socket)))
            if verb == "attach":
                _send_size(socket, more=1)  # a change of size has the program draw its screen anew
            _send_size(socket)
        if streams.stdin:
            stack.enter_context(_sending(socket, streams.input))
        return _receive(socket, streams.output or sys.stdout.buffer)


def _send_size(socket: WebSocket, more: int = 0) -> None:
    found = terminal.size()
    if found:
        with contextlib.suppress(OSError):
            body = json.dumps({"Width": found[0] + more, "Height": found[1] + more}).encode()
            socket.send(bytes((_RESIZE,)) + body)


@contextlib.contextmanager
def _sending(socket: WebSocket, source: BinaryIO | None) -> Iterator[None]:
    """Send standard input in a thread, which ends with the block."""
    waker, wake = os.pipe()
    descriptor = source.fileno() if source is not None else sys.stdin.fileno()
    thread = threading.Thread(target=_send_input, args=(socket, descriptor, waker), daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(wake)
        thread.join(timeout=1)
        os.close(waker)


def _send_input(socket: WebSocket, descriptor: int, waker: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            ready, _, _ = select.select([descriptor, waker], [], [])
            if waker in ready:
                return
            data = os.read(descriptor, _CHUNK)
            if not data:
                break
            socket.send(bytes((_STDIN,)) + data)
        if socket.protocol == V5:
            socket.send(bytes((_CLOSE, _STDIN)))


def _receive(socket: WebSocket, output: BinaryIO) -> int:
    """Write what comes until the error channel tells how the command ended."""
    status: bytes | None = None
    while (message := socket.receive()) is not None:
        channel, data = message[:1], message[1:]
        if channel == bytes((_STDOUT,)):
            output.write(data)
            output.flush()
        elif channel == bytes((_STDERR,)):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        elif channel == bytes((_ERROR,)) and data:
            status = data
            break
    if status is None:
        raise CommandError("the connection to the container was lost")
    return exit_code(status)


def exit_code(status: bytes) -> int:
    """The exit status that a Status tells of. Raises CommandError for one that is no exit."""
    try:
        decoded = json.loads(status)
    except ValueError:
        raise CommandError(f"error stream protocol error: {status.decode(errors='replace')}") from None
    if decoded.get("status") == "Success":
        return 0
    if decoded.get("reason") == "NonZeroExitCode":
        for cause in (decoded.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause.get("message") or 1)
    raise CommandError(str(decoded.get("message") or "unknown"))
