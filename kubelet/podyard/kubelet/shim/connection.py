"""A kubelet's connection to the shim: JSON messages on a SOCK_SEQPACKET socket, descriptors beside them."""

from __future__ import annotations

import array
import json
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from podyard.kubelet.shim.loop import READ, WRITE, Loop

MAX_MESSAGE_BYTES = 256 * 1024  # more than the kernel lets anyone send
MAX_DESCRIPTORS = 3


class Connection:
    """Calls `received(connection, message, descriptors)`, and `closed(connection)` at the end."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        received: Callable[[Connection, dict[str, Any], list[int]], None],
        closed: Callable[[Connection], None],
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._received = received
        self._closed = closed
        self._waiting: deque[bytes] = deque()
        loop.watch(sock.fileno(), READ, self._turn)

    def send(self, message: dict[str, Any]) -> None:
        """Send now or, when the kubelet does not read, later."""
        if self._socket.fileno() >= 0:
            self._waiting.append(json.dumps(message).encode())
            self._flush()

    def close(self) -> None:
        """Hang up."""
        if self._socket.fileno() >= 0:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._closed(self)

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and self._socket.fileno() >= 0:
            self._receive()

    def _receive(self) -> None:
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * 4)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(MAX_MESSAGE_BYTES, space, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        descriptors = array.array("i")
        for _, kind, payload in ancillary:
            if kind == socket.SCM_RIGHTS:
                descriptors.frombytes(payload)
        if not data:
            for fd in descriptors:
                os.close(fd)
            self.close()
            return
        self._received(self, json.loads(data), list(descriptors))

    def _flush(self) -> None:
        try:
            while self._waiting:
                self._socket.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            self._loop.watch(self._socket.fileno(), READ | WRITE, self._turn)
            return
        except OSError:
            self.close()
            return
        self._loop.watch(self._socket.fileno(), READ, self._turn)
