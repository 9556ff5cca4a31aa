"""Messages between the proxy and its workers: pickled, over a UNIX stream socket, with open descriptors.

Each message has its length before it. Descriptors travel beside the bytes (SCM_RIGHTS, unix(7)); a
message says how many of them are its own, and they come in the order in which they were sent.
"""

from __future__ import annotations

import pickle
import socket
import struct
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any

MOST_DESCRIPTORS = 200
"""In one message; the kernel takes 253 (SCM_MAX_FD)."""

_HEAD = struct.Struct("=IH")  # bytes, descriptors
_PIECE = 1 << 18


class Sender:
    """Queues messages, and sends as much as the socket takes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: deque[tuple[memoryview, list[socket.socket]]] = deque()

    @property
    def empty(self) -> bool:
        """Whether all is sent."""
        return not self._queue

    def put(self, message: Any, sockets: Sequence[socket.socket] = ()) -> None:
        """Queue a message. Its sockets must stay open as long as it is not sent."""
        given = list(sockets)
        body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._queue.append((memoryview(_HEAD.pack(len(body), len(given)) + body), given))

    def flush(self) -> bool:
        """Send; False when some is left for when there is room. Raises OSError when the peer is gone."""
        while self._queue:
            data, sockets = self._queue[0]
            numbers = array("i", [sock.fileno() for sock in sockets])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if sockets else []
            try:
                sent = self._sock.sendmsg([data], rights, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            if sent < len(data):
                self._queue[0] = (data[sent:], [])
            else:
                self._queue.popleft()
        return True


class DescriptorsLost(Exception):
    """Sockets came that this process has no descriptors left for: the kernel has dropped them."""


class Receiver:
    """Reads messages as they come."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = bytearray()
        self._descriptors: deque[int] = deque()

    def take(self) -> list[tuple[Any, list[int]]] | None:
        """The messages that are complete, with their descriptors; None when the peer has gone.

        Raises DescriptorsLost, after which nothing more can be taken.
        """
        try:
            data, descriptors, flags, _ = socket.recv_fds(
                self._sock, _PIECE, MOST_DESCRIPTORS, socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return []
        except OSError:
            return None
        if flags & socket.MSG_CTRUNC:
            raise DescriptorsLost
        if not data:
            return None
        self._bytes += data
        self._descriptors.extend(descriptors)
        found = []
        while len(self._bytes) >= _HEAD.size:
            size, count = _HEAD.unpack_from(self._bytes)
            end = _HEAD.size + size
            if len(self._bytes) < end:
                break
            message = pickle.loads(memoryview(self._bytes)[_HEAD.size : end])
            del self._bytes[:end]
            found.append((message, [self._descriptors.popleft() for _ in range(count)]))
        return found
