"""From a client that was accepted to an endpoint that takes it.

The connect starts as soon as the client is accepted, and on one machine it is done when the call
returns. One that fails goes to another endpoint, a few times.

What the client has sent already goes out right behind the connect. Then the backend's process wakes up
once, for a request, and not for the connection and again for the request; to wake a processor is
an interrupt, which costs more than all of the Python here.
"""

from __future__ import annotations

import errno
import select
import socket
from os import read, write
from typing import TYPE_CHECKING

from podyard.proxy.connection import Connection
from podyard.proxy.poller import EDGES_AND_ROOM
from podyard.proxy.sockets import STREAM, Raw, family_of, reset_at_close
from podyard.proxy.table import Endpoint

if TYPE_CHECKING:
    from podyard.proxy.listeners.tcp import TcpListener

CONNECT_TRIES = 4
"""Endpoints that one connection tries."""
LAST_CHECKS = 20
"""How often an endpoint without another is found silent before it is given up."""
EARLY_BYTES = 4096
"""Read of a client at once; held until there is a backend, so it bounds what clients without one take."""

KEEPALIVE_SECONDS = 240
"""After so long a silence the kernel asks a backend on another host whether it is there.

With its 9 probes, 75 s apart, a host that is gone is noticed after a quarter of an hour, as it is with data
under way (tcp(7), tcp_retries2).
"""

_SOCKET, _KEEPALIVE = int(socket.SOL_SOCKET), int(socket.SO_KEEPALIVE)
_KEEPIDLE = int(socket.TCP_KEEPIDLE)
_QUICKACK = int(socket.TCP_QUICKACK)
_TCP, _NODELAY = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)


class Connecting:
    """A client that waits for an endpoint. Two descriptors must have been taken for it, and go with it."""

    __slots__ = (
        "_address",
        "_backend",
        "_begun",
        "_checks",
        "_client",
        "_client_hangup",
        "_client_watched",
        "_counters",
        "_early",
        "_listener",
        "_tried",
    )

    def __init__(self, listener: TcpListener, client: int, address: str) -> None:
        self._listener = listener
        self._client = client
        self._address = address
        self._early = b""
        """What the client has sent and no backend has got yet."""
        self._begun = False
        """All of that has gone out."""
        self._tried: tuple[Endpoint, ...] = ()
        self._backend: Raw | None = None  # while it is being connected
        self._checks = 0  # how often the endpoint tried last was found silent
        self._client_watched = False
        self._client_hangup = False
        self._counters = counters = listener.counters
        counters.connections += 1
        counters.active += 1

    def begin(self) -> None:
        """Take what the client has sent, and connect."""
        try:
            self._early = read(self._client, EARLY_BYTES)
        except OSError:
            pass  # nothing yet; or the client has gone, which the poller tells
        self._connect()

    def is_slow(self) -> None:
        """The endpoint is silent: others shall not follow, and who finds it so already goes to another.

        Where there is no other, be patient: a SYN that was lost is repeated after 1 s (RFC 6298, section 2).
        """
        if self._backend is None or not _state(self._backend):
            return
        self._checks += 1
        balancer, endpoint = self._listener.balancer, self._tried[-1]
        suspected = balancer.is_suspected(endpoint)
        balancer.failed(endpoint)
        more = len(self._tried) < CONNECT_TRIES and balancer.has_other(self._tried)
        if (suspected and more) or self._checks >= LAST_CHECKS:
            self._failed()
        else:
            self._listener.connecting(self)

    def _connect(self) -> None:
        """Begin to connect to an endpoint that has not been tried yet; give up when there is none."""
        while len(self._tried) < CONNECT_TRIES:
            endpoint = self._listener.balancer.pick(self._address, self._tried)
            if endpoint is None:
                break
            self._tried = (*self._tried, endpoint)
            self._checks = 0
            if self._connect_to(endpoint):
                return
            self._endpoint_failed()
        self._give_up()

    def _connect_to(self, endpoint: Endpoint) -> bool:
        """Connect, or begin to; False when it has failed already."""
        address = endpoint[0]
        try:
            backend = Raw(family_of(address), STREAM)
        except OSError:
            return False
        if not address.startswith("127."):  # this host is there as long as we are
            backend.setsockopt(_SOCKET, _KEEPALIVE, 1)
            backend.setsockopt(_TCP, _KEEPIDLE, KEEPALIVE_SECONDS)
        if self._early:
            backend.setsockopt(_TCP, _QUICKACK, 0)  # the handshake's last segment carries it (tcp(7))
        error = backend.connect_ex(endpoint)
        if error == errno.EINPROGRESS:
            error = self._send_early(backend.fileno()) if self._early else _state(backend)
        if not error:
            self._connected(backend)
        elif error == errno.EINPROGRESS:
            self._wait_for(backend)
        else:
            backend.close()
            return False
        return True

    def _send_early(self, backend: int) -> int:
        """0 when the backend is connected, EINPROGRESS when it is not yet, else why it failed."""
        try:
            sent = write(backend, self._early)
        except BlockingIOError:
            return errno.EINPROGRESS
        except (BrokenPipeError, ConnectionResetError):
            return 0  # it was connected; the relay is told so once more
        except OSError as error:
            return error.errno or errno.EIO
        self._counters.received.count += sent
        self._early = self._early[sent:]
        self._begun = not self._early
        return 0

    def _wait_for(self, backend: Raw) -> None:
        self._backend = backend
        poller = self._listener.runtime.poller
        try:
            poller.watch(backend.fileno(), self._on_backend, EDGES_AND_ROOM)
            if not self._client_watched:
                poller.watch(self._client, self._on_client)
                self._client_watched = True
        except OSError:  # the kernel refuses another watch
            self._give_up()
        else:
            self._listener.connecting(self)

    def _on_client(self, events: int) -> None:
        """While the backend is being connected: only note how the client fares."""
        if events & (select.EPOLLHUP | select.EPOLLERR):
            self._give_up()
        elif events & select.EPOLLRDHUP:
            self._client_hangup = True

    def _on_backend(self, events: int) -> None:
        backend = self._backend
        if backend is None:
            return
        if backend.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._failed()
        elif events & select.EPOLLOUT:
            self._listener.connected(self)
            self._backend = None
            self._connected(backend, events)

    def _connected(self, backend: Raw, events: int | None = None) -> None:
        """Let the connection run; `events` has been told of the backend by the poller, if it watches it."""
        listener = self._listener
        listener.balancer.succeeded(self._tried[-1])
        fresh = events is None and not self._client_watched
        begun = fresh and self._begun
        if not begun:  # else before the second piece
            backend.setsockopt(_TCP, _NODELAY, 1)  # the client has decided already what is to go out at once
        connection = Connection(listener.runtime, self._counters, self._client, backend.detach())
        if fresh:
            connection.run(self._early, begun=begun)
        else:
            connection.resume(self._early, client_gone=self._client_hangup, events=events)

    def _failed(self) -> None:
        self._drop_backend()
        self._endpoint_failed()
        self._connect()

    def _endpoint_failed(self) -> None:
        self._counters.errors += 1
        self._listener.balancer.failed(self._tried[-1])

    def _give_up(self) -> None:
        """Reset the client."""
        self._drop_backend()
        runtime = self._listener.runtime
        reset_at_close(self._client)
        runtime.poller.close(self._client)
        self._counters.active -= 1
        runtime.descriptors.give(2)

    def _drop_backend(self) -> None:
        self._listener.connected(self)
        if self._backend is not None:
            self._listener.runtime.poller.close(self._backend.detach())
            self._backend = None


def _state(sock: Raw) -> int:
    """0 when it is connected, EINPROGRESS when it is not yet, else why it failed."""
    try:
        sock.getpeername()
    except OSError:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EINPROGRESS
    return 0
