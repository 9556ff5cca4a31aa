"""`serve`: an echo server. `load`: datagrams there and back, many at once; prints how many, and seconds.

Both use sendmmsg(2) and recvmmsg(2), so that the load costs less than the proxies that it measures.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
import time

from bench.proxy.services import BACKENDS, ECHO
from podyard.process.mmsg import Message, Parts, libc, messages

BATCH = 32
SIZE = 64
CLIENTS = 8
PATIENCE_MS = 50
"""What has not come back by then is lost, and another batch goes out."""


class Batch:
    """BATCH datagrams with their addresses, as the two calls want them."""

    def __init__(self) -> None:
        self._data = ctypes.create_string_buffer(BATCH * SIZE)
        self._names = ctypes.create_string_buffer(BATCH * 16)
        self._parts = Parts(ctypes.addressof(self._data), BATCH, SIZE)
        self._messages = messages(self._parts, BATCH)
        for number in range(BATCH):
            struct.pack_into("16s", self._data, number * SIZE, os.urandom(16))

    def addressed(self, named: bool) -> None:
        """Whether the datagrams carry addresses (a server's) or go where the socket is connected to."""
        for number in range(BATCH):
            self._messages[number].header.name = (
                ctypes.addressof(self._names) + number * 16 if named else None
            )
            self._messages[number].header.name_length = 16 if named else 0

    def receive(self, sock: socket.socket) -> int:
        """How many came, up to BATCH."""
        count = libc.recvmmsg(sock.fileno(), self._messages, BATCH, socket.MSG_DONTWAIT, None)
        return max(int(count), 0)

    def send(self, sock: socket.socket, count: int = BATCH) -> None:
        """Send the first `count`."""
        sent = 0
        while sent < count:
            at = ctypes.addressof(self._messages) + sent * ctypes.sizeof(Message)
            done = libc.sendmmsg(sock.fileno(), ctypes.c_void_p(at), count - sent, 0)
            if done < 0:
                return
            sent += done


def serve() -> None:
    """Echo until killed."""
    batch = Batch()
    batch.addressed(True)
    epoll = select.epoll()
    socks = {}
    for address in BACKENDS:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((address, ECHO))
        socks[sock.fileno()] = sock
        epoll.register(sock.fileno(), select.EPOLLIN)
    while True:
        for descriptor, _ in epoll.poll():
            while count := batch.receive(socks[descriptor]):
                batch.send(socks[descriptor], count)


def load(address: str, port: int, seconds: float) -> None:
    """Keep BATCH datagrams of every client under way."""
    batch = Batch()
    poll = select.poll()
    socks, waiting = {}, {}
    for _ in range(CLIENTS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect((address, port))
        poll.register(sock.fileno(), select.POLLIN)
        socks[sock.fileno()], waiting[sock.fileno()] = sock, BATCH
        batch.send(sock)
    total, began = 0, time.monotonic()
    end = began + seconds
    while time.monotonic() < end:
        ready = poll.poll(PATIENCE_MS)
        for descriptor in [d for d, _ in ready] or list(socks):
            sock = socks[descriptor]
            count = batch.receive(sock)
            total += count
            waiting[descriptor] -= count
            if not ready or waiting[descriptor] <= 0:
                waiting[descriptor] = BATCH
                batch.send(sock)
    print(total, time.monotonic() - began)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        load(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
