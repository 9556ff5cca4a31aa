"""The host's side of the gate: makes listening sockets outside, and hands them in.

One request a connection: the client sends "ADDRESS PORT", and gets "ok" with the socket as
ancillary data (unix(7), SCM_RIGHTS), or the number of the error.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from pathlib import Path

_REQUEST_BYTES = 128
_ANSWER_SECONDS = 20.0
"""The other side may be at work on something else, on a busy machine."""


class ListenerServer:
    """Answers requests on a UNIX socket, of processes of the same user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)  # of an `up` that was killed; the data directory's lock is ours
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self._socket.listen()
        self._clients: set[socket.socket] = set()
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Stop answering."""
        for sock in (self._socket, *self._clients):
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        client.setblocking(False)
        self._clients.add(client)
        asyncio.get_running_loop().add_reader(client, self._asked, client)

    def _asked(self, client: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(client)
        self._clients.discard(client)
        with client:
            try:
                self._answer(client)
            except (OSError, ValueError):
                pass  # it went away, or is none of ours

    def _answer(self, client: socket.socket) -> None:
        size = struct.calcsize("3i")
        _, user, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if user != os.geteuid():
            return
        address, _, port = client.recv(_REQUEST_BYTES).decode().partition(" ")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address, int(port)))
                sock.listen(1024)
            except OSError as error:
                client.send(str(error.errno or errno.EIO).encode())
            else:
                socket.send_fds(client, [b"ok"], [sock.fileno()])


def request(path: str, address: str, port: int) -> socket.socket:
    """A socket that listens on `address`:`port` of the host. Raises OSError when it cannot be bound."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.settimeout(_ANSWER_SECONDS)
        server.connect(path)
        server.send(f"{address} {port}".encode())
        data, descriptors, _, _ = socket.recv_fds(server, _REQUEST_BYTES, 1)
    if not descriptors:
        number = int(data or errno.EACCES)
        raise OSError(number, os.strerror(number), f"{address}:{port}")
    listener = socket.socket(fileno=descriptors[0])
    listener.setblocking(False)
    return listener
