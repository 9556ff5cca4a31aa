"""A WebSocket client (RFC 6455) over a blocking socket, as streams of the Kubernetes API need it.

Messages are binary. One thread may receive while others send.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Sequence

from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.replies import Reply
from podyard.kubectl.transport import Query, Transport

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUE, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class WebSocket:
    """An open WebSocket. `protocol` is the one that the server has chosen."""

    def __init__(self, sock: socket.socket, protocol: str, received: bytes) -> None:
        self.protocol = protocol
        self._socket = sock
        self._received = bytearray(received)
        self._sending = threading.Lock()

    def send(self, message: bytes) -> None:
        """Send one binary message. Raises OSError when the other side is gone."""
        self._frame(_BINARY, message)

    def receive(self) -> bytes | None:
        """The next message; None when the other side has closed or is gone."""
        message = b""
        while True:
            try:
                final, code, payload = self._read_frame()
            except (OSError, EOFError):
                return None
            if code == _CLOSE:
                with contextlib.suppress(OSError):
                    self._frame(_CLOSE, payload[:2])
                return None
            if code == _PING:
                with contextlib.suppress(OSError):
                    self._frame(_PONG, payload)
            elif code in (_CONTINUE, _TEXT, _BINARY):
                message += payload
                if final:
                    return message

    def close(self) -> None:
        """Say goodbye and close."""
        with contextlib.suppress(OSError):
            self._frame(_CLOSE, struct.pack("!H", 1000))
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _frame(self, code: int, payload: bytes) -> None:
        """One frame, masked as a client's must be."""
        mask = os.urandom(4)
        if len(payload) < 126:
            head = struct.pack("!BB", 0x80 | code, 0x80 | len(payload))
        elif len(payload) < 65536:
            head = struct.pack("!BBH", 0x80 | code, 0x80 | 126, len(payload))
        else:
            head = struct.pack("!BBQ", 0x80 | code, 0x80 | 127, len(payload))
        with self._sending:
            self._socket.sendall(head + mask + _masked(payload, mask))

    def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._read(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._read(8))[0]
        return bool(first & 0x80), first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._received += data
        found = bytes(self._received[:count])
        del self._received[:count]
        return found


def _masked(payload: bytes, mask: bytes) -> bytes:
    """A payload under its mask, done with whole numbers because a loop over bytes is slow."""
    if not payload:
        return b""
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


def connect(transport: Transport, path: str, query: Query, protocols: Sequence[str]) -> WebSocket:
    """Open a WebSocket. Raises ApiError for what the server refuses."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = transport.headers(
        {
            "Host": transport.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": ", ".join(protocols),
        }
    )
    lines = [f"GET {transport.path(path, query)} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    sock = transport.dial()
    sock.settimeout(None)
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    status, answered, rest = _answer(sock)
    if status != 101:
        sock.close()
        raise _refused(status, rest)
    digest = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
    if answered.get("sec-websocket-accept") != digest:
        sock.close()
        raise CommandError("the server does not speak WebSocket as it should")
    return WebSocket(sock, answered.get("sec-websocket-protocol", ""), rest)


def _answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, and what of the body is known; all of it when the server refuses."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise CommandError("the server closed the connection")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *others = head.decode("latin-1").split("\r\n")
    status = int(first.split(" ", 2)[1])
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in others)
    }
    if status != 101:
        length = int(headers.get("content-length") or 0)
        while len(rest) < length:
            more = sock.recv(65536)
            if not more:
                break
            rest += more
    return status, headers, rest


def _refused(status: int, body: bytes) -> CommandError:
    try:
        Reply(max(status, 400), body).json()
    except ApiError as error:
        return error
    return CommandError(f"the server answered {status} instead of a stream")
