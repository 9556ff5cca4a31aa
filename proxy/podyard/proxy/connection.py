"""One TCP connection through the proxy: a client, a backend, and a Half each way.

The connect to the backend starts as soon as the client is accepted, and on one machine it is done when
the call returns. One that fails goes to another endpoint, a few times. After that the two halves
run by themselves: an end of one side is passed on alone (half-close), a reset of one side resets the other.
"""

from __future__ import annotations

import errno
import select
import socket
from typing import TYPE_CHECKING

from podyard.proxy.poller import EDGES_AND_ROOM
from podyard.proxy.relay import Half
from podyard.proxy.sockets import STREAM, Raw, family_of, reset_at_close
from podyard.proxy.table import Endpoint

if TYPE_CHECKING:
    from podyard.proxy.listeners.tcp import TcpListener
    from podyard.proxy.pipes import PipePool

CONNECT_TRIES = 4
"""Endpoints that one connection tries."""
LAST_CHECKS = 20
"""How often an endpoint without another is found silent before it is given up."""

KEEPALIVE_SECONDS = 240
"""After so long a silence the kernel asks a backend whether it is there.

With its 9 probes, 75 s apart, a host that is gone is noticed after a quarter of an hour, as it is with data
under way (tcp(7), tcp_retries2).
"""

_SOCKET, _KEEPALIVE = int(socket.SOL_SOCKET), int(socket.SO_KEEPALIVE)
_KEEPIDLE = int(socket.TCP_KEEPIDLE)
_TCP, _NODELAY = int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY)
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Connection:
    """A client that was accepted. Two descriptors must have been taken for it; it gives them back."""

    __slots__ = (
        "_address",
        "_backend",
        "_broken",
        "_checks",
        "_client",
        "_client_hangup",
        "_client_watched",
        "_closed",
        "_counters",
        "_down",
        "_listener",
        "_poller",
        "_tried",
        "_up",
    )

    def __init__(self, listener: TcpListener, client: int, address: str) -> None:
        self._listener = listener
        self._poller = listener.runtime.poller
        self._counters = listener.counters
        self._client = client
        self._address = address
        self._backend: Raw | None = None  # while it is being connected
        self._tried: tuple[Endpoint, ...] = ()
        self._checks = 0  # how often the endpoint tried last was found silent
        self._up: Half | None = None  # from the client to the backend, once that is connected
        self._down: Half | None = None
        self._client_watched = False
        self._client_hangup = False
        self._broken = False
        self._closed = False
        self._counters.connections += 1
        self._counters.active += 1

    @property
    def pipes(self) -> PipePool:
        """For bulk."""
        return self._listener.runtime.pipes

    def connect(self) -> None:
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
        self.close(reset=True)

    def connect_is_slow(self) -> None:
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
            self._connect_failed()
        else:
            self._listener.connecting(self)

    def again(self, half: Half) -> None:
        """The half has used up its turn, and goes on after the others had theirs."""
        self._poller.again(half.pump)

    def ask_for_room(self, descriptor: int) -> None:
        """Have the half that reads from `descriptor` told when it can be written to."""
        self._poller.watch_room(descriptor)

    def half_ended(self, half: Half) -> None:
        """A half has come to its end: pass that on (half-close), or close when it was the last."""
        if half.other.ended:
            self.close(reset=self._broken)
        else:
            self._poller.when_idle(half.pass_end_on)

    def sink_failed(self, half: Half) -> None:
        """Nothing goes there any more, but what came from there before may still be read."""
        self._broken = True
        half.stop()
        if half.other.ended:
            self.close(reset=True)
        else:
            half.other.hangup = True
            self.again(half.other)

    def close(self, *, reset: bool) -> None:
        """End both sides; `reset` tells them that something went wrong."""
        if self._closed:
            return
        self._closed = True
        up, down = self._up, self._down
        if reset:
            reset_at_close(self._client)
        self._poller.close(self._client)
        if up is not None and down is not None:
            if reset:
                reset_at_close(up.sink)
            self._poller.close(up.sink)
            up.stop()
            down.stop()
            up.other, down.other = up, down  # no cycles: they are freed at once
            self._up = self._down = None
        else:
            self._drop_backend()
        self._counters.active -= 1
        self._listener.runtime.descriptors.give(2)

    def _connect_to(self, endpoint: Endpoint) -> bool:
        """Connect, or begin to; False when it has failed already."""
        try:
            backend = Raw(family_of(endpoint[0]), STREAM)
        except OSError:
            return False
        backend.setsockopt(_TCP, _NODELAY, 1)  # the client has decided already what is to go out at once
        backend.setsockopt(_SOCKET, _KEEPALIVE, 1)
        backend.setsockopt(_TCP, _KEEPIDLE, KEEPALIVE_SECONDS)
        error = backend.connect_ex(endpoint)
        if error == errno.EINPROGRESS:
            error = _state(backend)
        if not error:
            self._connected(backend.detach())
        elif error == errno.EINPROGRESS:
            self._wait_for(backend)
        else:
            backend.close()
            return False
        return True

    def _wait_for(self, backend: Raw) -> None:
        self._backend = backend
        try:
            self._poller.watch(backend.fileno(), self._on_backend, EDGES_AND_ROOM)
            if not self._client_watched:
                self._poller.watch(self._client, self._on_client)
                self._client_watched = True
        except OSError:  # the kernel refuses another watch
            self.close(reset=True)
        else:
            self._listener.connecting(self)

    def _on_client(self, events: int) -> None:
        """While the backend is being connected: only note how the client fares."""
        if events & (select.EPOLLHUP | select.EPOLLERR):
            self.close(reset=True)
        elif events & select.EPOLLRDHUP:
            self._client_hangup = True

    def _on_backend(self, events: int) -> None:
        backend = self._backend
        if backend is None:
            return
        if backend.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._connect_failed()
        elif events & select.EPOLLOUT:
            self._listener.connected(self)
            self._backend = None
            self._connected(backend.detach(), events)

    def _connected(self, backend: int, events: int | None = None) -> None:
        """Let the halves run; `events` has been told of the backend by the poller, if it watches it."""
        up = self._up = Half(self, self._client, backend, self._counters.received)
        down = self._down = Half(self, backend, self._client, self._counters.sent)
        up.other, down.other = down, up
        self._listener.balancer.succeeded(self._tried[-1])
        try:
            if events is None:
                self._poller.watch(backend, down.ready)
            if not self._client_watched:  # the common case: watching tells what is there already
                self._client_watched = True
                self._poller.watch(self._client, up.ready)
                return
        except OSError:
            self.close(reset=True)
            return
        self._poller.handle(self._client, up.ready)
        up.hangup = self._client_hangup
        if events is not None:
            self._poller.handle(backend, down.ready)
            up.told_of_room = True
            down.hangup = bool(events & _GONE)
        up.pump()
        if not down.ended:
            down.pump()

    def _connect_failed(self) -> None:
        self._drop_backend()
        self._endpoint_failed()
        self.connect()

    def _endpoint_failed(self) -> None:
        self._counters.errors += 1
        self._listener.balancer.failed(self._tried[-1])

    def _drop_backend(self) -> None:
        self._listener.connected(self)
        if self._backend is not None:
            self._poller.close(self._backend.detach())
            self._backend = None


def _state(sock: Raw) -> int:
    """0 when it is connected, EINPROGRESS when it is not yet, else why it failed."""
    try:
        sock.getpeername()
    except OSError:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EINPROGRESS
    return 0
