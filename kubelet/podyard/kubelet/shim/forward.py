"""Carry what comes to one address to another, and back.

From podIP:containerPort to a private port on 127.0.0.1, and from a port of the node to the pod's.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections.abc import Callable

from podyard.kubelet.shim.loop import READ, WRITE, Loop, Timer

Address = tuple[str, int]

CHUNK_BYTES = 64 * 1024
SPARE_DESCRIPTORS = 64
UDP_IDLE_SECONDS = 60.0
UDP_MAX_CLIENTS = 1024


class _Pipe:
    """One direction of a connection: at most one chunk waits, and the end of input is passed on."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source = source
        self.target = target
        self.waiting = b""
        self.ended = False  # the source has no more
        self.closed = False  # and the target has been told

    def read(self) -> None:
        if self.waiting or self.ended:
            return
        try:
            self.waiting = self.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        self.ended = not self.waiting
        self.write()

    def write(self) -> None:
        if self.waiting:
            try:
                sent = self.target.send(self.waiting)
            except BlockingIOError:
                return
            self.waiting = self.waiting[sent:]
        if self.ended and not self.waiting and not self.closed:
            self.closed = True
            try:
                self.target.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise


class _Connection:
    """A client's connection and its counterpart to the program. Half-close is kept, so is a reset."""

    def __init__(
        self, loop: Loop, client: socket.socket, server: socket.socket, gone: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._gone = gone
        self._up = _Pipe(client, server)
        self._down = _Pipe(server, client)
        self._sockets = (client, server)
        self._arrange()

    def _turn(self, events: int) -> None:
        try:
            for pipe in (self._up, self._down):
                pipe.write()
                pipe.read()
        except OSError:
            self.close(reset=True)
            return
        if self._up.closed and self._down.closed:
            self.close()
        else:
            self._arrange()

    def _arrange(self) -> None:
        for sock, inward, outward in (
            (self._sockets[0], self._up, self._down),
            (self._sockets[1], self._down, self._up),
        ):
            events = (0 if inward.waiting or inward.ended else READ) | (WRITE if outward.waiting else 0)
            if events:
                self._loop.watch(sock.fileno(), events, self._turn)
            else:
                self._loop.forget(sock.fileno())

    def close(self, reset: bool = False) -> None:
        """End both sides."""
        for sock in self._sockets:
            if sock.fileno() < 0:
                continue
            self._loop.forget(sock.fileno())
            if reset:
                _reset(sock)
            else:
                sock.close()
        self._gone()


class TcpForward:
    """Listens on `address`. Connections to `target` are made in the network that the shim is in then."""

    def __init__(self, loop: Loop, address: Address, target: Address) -> None:
        self._loop = loop
        self._target = target
        self._connections: dict[int, _Connection] = {}
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(address)
        except OSError:
            self._listener.close()
            raise
        self._listener.listen(512)
        loop.watch(self._listener.fileno(), READ, self._accept)

    def close(self) -> None:
        """Listen no more and end all connections."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for connection in list(self._connections.values()):
            connection.close()

    def _accept(self, events: int) -> None:
        try:
            server = _outward(socket.SOCK_STREAM)
        except OSError:  # who waits is let in when others have gone
            self._loop.pause(self._listener.fileno())
            return
        try:
            client, _ = self._listener.accept()
        except OSError as error:
            server.close()
            if not isinstance(error, BlockingIOError | ConnectionAbortedError):  # it has not gone away again
                self._loop.pause(self._listener.fileno())
            return
        client.setblocking(False)
        if server.connect_ex(self._target) not in (0, errno.EINPROGRESS):
            server.close()
            _reset(client)
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = id(client)
        self._connections[key] = _Connection(self._loop, client, server, lambda: self._gone(key))

    def _gone(self, key: int) -> None:
        self._connections.pop(key, None)


class UdpForward:
    """Binds `address`; every client gets a socket of its own towards the program, for its answers."""

    def __init__(self, loop: Loop, address: Address, target: Address) -> None:
        self._loop = loop
        self._target = target
        self._clients: dict[tuple[str, int], tuple[socket.socket, float]] = {}  # that asked last comes last
        self._timer: Timer | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        loop.watch(self._socket.fileno(), READ, self._receive)

    def close(self) -> None:
        """Carry no more."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        for client in list(self._clients):
            self._drop(client)
        if self._timer is not None:
            self._timer.cancel()

    def _receive(self, events: int) -> None:
        try:
            data, client = self._socket.recvfrom(65536)
        except OSError:
            return
        if client in self._clients:
            upstream, _ = self._clients.pop(client)
        else:
            if len(self._clients) >= UDP_MAX_CLIENTS:
                self._drop(next(iter(self._clients)))  # the one that has been silent for longest
            try:
                upstream = _outward(socket.SOCK_DGRAM)
            except OSError:
                return  # lost, as datagrams may be
            upstream.connect(self._target)
            self._loop.watch(upstream.fileno(), READ, lambda _: self._answer(client, upstream))
        self._clients[client] = (upstream, time.monotonic())
        if self._timer is None:
            self._timer = self._loop.call_later(UDP_IDLE_SECONDS, self._sweep)
        try:
            upstream.send(data)
        except OSError:
            return  # nobody listens, as with any datagram

    def _answer(self, client: tuple[str, int], upstream: socket.socket) -> None:
        try:
            self._socket.sendto(upstream.recv(65536), client)
        except OSError:
            return

    def _sweep(self) -> None:
        """Forget who has been silent for long; look again when the next may have been."""
        self._timer = None
        oldest = time.monotonic() - UDP_IDLE_SECONDS
        for client, (_, asked) in list(self._clients.items()):
            if asked > oldest:
                self._timer = self._loop.call_later(asked - oldest, self._sweep)
                return
            self._drop(client)

    def _drop(self, client: tuple[str, int]) -> None:
        upstream, _ = self._clients.pop(client)
        self._loop.forget(upstream.fileno())
        upstream.close()


def _outward(kind: int) -> socket.socket:
    """A socket towards the program. Raises OSError rather than take one of the last descriptors.

    They are for the shim's own work: logs, the kubelet's connections, commands and probes.
    """
    sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and sock.fileno() + SPARE_DESCRIPTORS >= limit:
        sock.close()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return sock


def _reset(sock: socket.socket) -> None:
    """Close with RST, so that the peer does not take the end for an orderly one."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def open_forward(loop: Loop, protocol: str, address: Address, target: Address) -> TcpForward | UdpForward:
    """A forward for a port. Raises OSError when the address cannot be bound."""
    return (UdpForward if protocol == "UDP" else TcpForward)(loop, address, target)
