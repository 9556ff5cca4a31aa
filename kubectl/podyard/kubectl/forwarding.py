"""Connections through a pod's port-forward: SPDY/3.1 inside of one WebSocket (KEP-4006).

Each connection is a pair of streams, one for its data and one on which the server tells of errors.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from podyard.api.spdy.framing import Data, Decoder, Encoder, GoAway, Ping, Reset, RstStream
from podyard.api.spdy.headers import FrameError
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session
from podyard.kubectl.websocket import WebSocket, connect

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 32 * 1024
_HELD_CHUNKS = 64  # for a connection whose program does not read; then all connections wait


@dataclass(slots=True)
class _Connection:
    """One forwarded connection."""

    local: socket.socket
    data: int
    error: int
    received: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(_HELD_CHUNKS))
    problem: bytes = b""


class Forwarder:
    """A session of one pod; connections are added from any thread."""

    def __init__(self, session: Session, namespace: str, pod: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        self._socket: WebSocket = connect(session.transport, path, {}, (PROTOCOL,))
        self._encoder = Encoder()
        self._lock = threading.Lock()  # frames go out in the order in which they are made
        self._next = 1
        self._connections: dict[int, _Connection] = {}

    def serve(self) -> None:
        """Pass on what the pod sends, until the session ends. Raises CommandError."""
        decoder = Decoder()
        try:
            while (message := self._socket.receive()) is not None:
                for frame in decoder.feed(message):
                    if isinstance(frame, Data):
                        self._received(frame)
                    elif isinstance(frame, RstStream):
                        self._received(Data(frame.stream, b"", True))
                    elif isinstance(frame, Ping) and frame.number % 2 == 0:
                        self._send(self._encoder.ping(frame.number))
                    elif isinstance(frame, GoAway):
                        break
        except (FrameError, OSError) as error:
            raise CommandError(f"lost connection to pod: {error}") from None
        raise CommandError("lost connection to pod")

    def forward(self, local: socket.socket, port: int) -> str:
        """Forward one accepted connection to a port of the pod until it ends; gives what went wrong."""
        connection = self._open(local, port)
        upward = threading.Thread(target=self._upward, args=(connection,), daemon=True)
        upward.start()
        with contextlib.suppress(OSError):
            while chunk := connection.received.get():
                local.sendall(chunk)
            local.shutdown(socket.SHUT_WR)
        if connection.problem:
            with contextlib.suppress(OSError):
                local.shutdown(socket.SHUT_RD)
        upward.join()
        local.close()
        with self._lock:
            self._connections.pop(connection.data, None)
            self._connections.pop(connection.error, None)
        return connection.problem.decode(errors="replace")

    def _open(self, local: socket.socket, port: int) -> _Connection:
        with self._lock:
            error, data, request = self._next, self._next + 2, str(self._next // 4)
            self._next += 4
            connection = _Connection(local, data, error)
            self._connections |= {data: connection, error: connection}
            headers = {"port": str(port), "requestid": request}
            for number, kind in ((error, "error"), (data, "data")):
                self._socket.send(self._encoder.syn_stream(number, {"streamtype": kind, **headers}))
            self._socket.send(self._encoder.data(error, b"", fin=True))
        return connection

    def _upward(self, connection: _Connection) -> None:
        """From the local program to the pod."""
        with contextlib.suppress(OSError):
            while chunk := connection.local.recv(_CHUNK):
                self._send(self._encoder.data(connection.data, chunk))
            self._send(self._encoder.data(connection.data, b"", fin=True))
            return
        with contextlib.suppress(OSError):
            self._send(self._encoder.rst_stream(connection.data, Reset.CANCEL))

    def _received(self, frame: Data) -> None:
        connection = self._connections.get(frame.stream)
        if connection is None:
            return
        if frame.stream == connection.error:
            connection.problem += frame.data
            if frame.fin and connection.problem:
                connection.received.put(b"")
            return
        if frame.data:
            connection.received.put(frame.data)
        if frame.fin:
            connection.received.put(b"")

    def _send(self, frame: bytes) -> None:
        with self._lock:
            self._socket.send(frame)


def listen(address: str, port: int, accepted: Callable[[socket.socket], None]) -> int:
    """Accept connections in a thread, for ever; gives the port. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=accepted, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])
