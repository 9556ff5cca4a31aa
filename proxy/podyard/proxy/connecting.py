"""From a client that was accepted to an endpoint that takes it.

The connect begins as soon as the client is accepted (`begin`), and is mostly done at once (`finish`). Where
it is not, a Connecting waits for it; one that fails goes to another endpoint, a few times.
"""

from __future__ import annotations

import errno
import select
import socket
from os import read
from typing import TYPE_CHECKING

from podyard.proxy import attempt
from podyard.proxy.connection import Connection
from podyard.proxy.poller import EDGES_AND_ROOM
from podyard.proxy.sockets import Raw, reset_at_close
from podyard.proxy.table import Endpoint

if TYPE_CHECKING:
    from podyard.proxy.listeners.tcp import TcpListener

CONNECT_TRIES = 16
"""Endpoints that one connection tries: so many that it finds one though most are out of reach."""
LAST_CHECKS = 20
"""How often an endpoint without another is found silent before it is given up."""
EARLY_BYTES = 4096
"""Read of a client at once; held until there is a backend, so it bounds what clients without one take."""

Begun = tuple[int, str, bytes, Endpoint, Raw | None]
"""A client, its address, what it has sent, the endpoint, and the socket that is being connected to that."""

_TCP, _NODELAY = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)


def begin(listener: TcpListener, client: int, address: str) -> Begun:
    """Begin to connect a client, which has been accepted from `address`, to an endpoint.

    Two descriptors must have been taken for it, and go with it.
    """
    try:
        early = read(client, EARLY_BYTES)
    except OSError:
        early = b""  # nothing yet; or the client has gone, which the poller tells
    endpoint = listener.balancer.pick(address)
    return client, address, early, endpoint, attempt.begin(endpoint, early)


def finish(listener: TcpListener, begun: Begun) -> None:
    """Send what the client has sent, if that can be; else wait until it can."""
    client, address, early, endpoint, backend = begun
    counters = listener.counters
    counters.connections += 1
    counters.active += 1
    sent, error = attempt.proceed(backend, early) if backend is not None else (0, errno.ECONNREFUSED)
    if backend is None or error:
        Connecting(listener, client, address, early).go_on(endpoint, backend, error)
        return
    listener.balancer.succeeded(endpoint)
    counters.received.count += sent
    all_sent = 0 < sent == len(early)
    if not all_sent:  # else before the second piece
        backend.setsockopt(_TCP, _NODELAY, 1)  # the client has decided already what is to go out at once
    Connection(listener.runtime, counters, client, backend.detach()).run(early[sent:], begun=all_sent)


class Connecting:
    """A client that waits for an endpoint."""

    __slots__ = (
        "_address",
        "_backend",
        "_checks",
        "_client",
        "_client_hangup",
        "_client_watched",
        "_counters",
        "_early",
        "_listener",
        "_looked_again",
        "_over",
        "_tried",
    )

    def __init__(self, listener: TcpListener, client: int, address: str, early: bytes) -> None:
        self._listener = listener
        self._client = client
        self._address = address
        self._early = early
        """What the client has sent and no backend has got yet."""
        self._counters = listener.counters
        self._tried: tuple[Endpoint, ...] = ()
        self._backend: Raw | None = None  # while it is being connected
        self._checks = 0  # how often the endpoint tried last was found silent
        self._client_watched = False
        self._client_hangup = False
        self._looked_again = False
        self._over = False

    def go_on(self, endpoint: Endpoint, backend: Raw | None, error: int) -> None:
        """After the first attempt, with `error`, to reach `endpoint` by `backend` (None: it is closed)."""
        self._tried = (endpoint,)
        if backend is not None and error == errno.EINPROGRESS:
            self._wait_for(backend)
            return
        if backend is not None:
            backend.close()
        self._endpoint_failed()
        self._connect()

    def is_slow(self) -> None:
        """The endpoint is silent: others shall not follow, and who finds it so already goes to another.

        Where there is no other, be patient: a SYN that was lost is repeated after 1 s (RFC 6298, section 2).
        """
        if self._backend is None or attempt.is_connected(self._backend):
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
        """Begin to connect to an endpoint that has not been tried yet; give up when there is none.

        But first hear what else has come with the client: after a moment without the processor that may be
        the news of other endpoints.
        """
        while len(self._tried) < CONNECT_TRIES:
            endpoint = self._listener.balancer.pick_other(self._address, self._tried)
            if endpoint is None:
                if not self._looked_again:
                    self._looked_again = True
                    self._listener.runtime.poller.again(self._look_again)
                    return
                break
            self._tried = (*self._tried, endpoint)
            self._checks = 0
            if self._reach(endpoint):
                return
            self._endpoint_failed()
        self._give_up()

    def _look_again(self) -> None:
        if not self._over:  # the client may have gone
            self._connect()

    def _reach(self, endpoint: Endpoint) -> bool:
        """Connect, or begin to; False when it has failed already."""
        backend = attempt.begin(endpoint, self._early)
        if backend is None:
            return False
        sent, error = attempt.proceed(backend, self._early)
        if error == errno.EINPROGRESS:
            self._wait_for(backend)
        elif error:
            backend.close()
            return False
        else:
            self._counters.received.count += sent
            self._early = self._early[sent:]
            self._connected(backend)
        return True

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
        elif events & (select.EPOLLRDHUP | select.EPOLLPRI):
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
        backend.setsockopt(_TCP, _NODELAY, 1)
        connection = Connection(listener.runtime, self._counters, self._client, backend.detach())
        if events is None and not self._client_watched:
            connection.run(self._early, begun=False)
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
        self._over = True
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
