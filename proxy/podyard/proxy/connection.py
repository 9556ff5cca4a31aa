"""One TCP connection through the proxy: a client, a backend, and a flow each way.

The connect to the backend starts as soon as the client is accepted. One that fails goes to another
endpoint, a few times. After that the two flows run by themselves: an end of one side is passed on
alone (half-close), a reset of one side resets the other.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from typing import TYPE_CHECKING

from podyard.proxy.flow import Flow, SinkError
from podyard.proxy.table import Endpoint

if TYPE_CHECKING:
    from podyard.proxy.listeners.tcp import TcpListener

CONNECT_TRIES = 4
"""Endpoints that one connection tries."""

_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
RESET = struct.pack("ii", 1, 0)  # struct linger: on, 0 s: close() sends a reset


class Connection:
    """A client that was accepted. Two descriptors must have been taken for it; it gives them back."""

    __slots__ = (
        "_address",
        "_backend",
        "_broken",
        "_client",
        "_client_hangup",
        "_closed",
        "_counters",
        "_down",
        "_listener",
        "_runtime",
        "_tried",
        "_up",
    )

    def __init__(self, listener: TcpListener, client: socket.socket, address: str) -> None:
        self._listener = listener
        self._runtime = listener.runtime
        self._counters = listener.counters
        self._client = client
        self._address = address
        self._backend: socket.socket | None = None
        self._tried: tuple[Endpoint, ...] = ()
        self._up: Flow | None = None  # from the client to the backend, once that is connected
        self._down: Flow | None = None
        self._client_hangup = False
        self._broken = False
        self._closed = False
        self._counters.connections += 1
        self._counters.active += 1

    def start(self) -> None:
        """Watch the client and begin to connect."""
        try:
            self._runtime.poller.add(self._client, self._on_client)
        except OSError:
            self._close(reset=True)
        else:
            self._connect()

    def connect_timed_out(self) -> None:
        """The endpoint has not answered in time: try another."""
        if self._up is None and self._backend is not None:
            self._connect_failed()

    def _connect(self) -> None:
        while len(self._tried) < CONNECT_TRIES:
            endpoint = self._listener.balancer.pick(self._address, self._tried)
            if endpoint is None:
                break
            self._tried = (*self._tried, endpoint)
            if self._connect_to(endpoint):
                self._listener.connecting(self)
                return
            self._counters.errors += 1
        self._close(reset=True)

    def _connect_to(self, endpoint: Endpoint) -> bool:
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        try:
            backend = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError:
            return False
        try:
            error = backend.connect_ex(endpoint)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, "connect")
            self._runtime.poller.add(backend, self._on_backend)
        except OSError:
            backend.close()
            return False
        self._backend = backend
        return True

    def _connect_failed(self) -> None:
        self._counters.errors += 1
        self._drop_backend()
        self._connect()

    def _drop_backend(self) -> None:
        self._listener.connected(self)
        if self._backend is not None:
            self._runtime.poller.close(self._backend)
            self._backend = None

    def _on_client(self, events: int) -> None:
        if self._up is None or self._down is None:
            if events & (select.EPOLLHUP | select.EPOLLERR):
                self._close(reset=True)
            elif events & select.EPOLLRDHUP:
                self._client_hangup = True
            return
        if events & _GONE:
            self._up.hangup = True
        if events & (select.EPOLLIN | _GONE):
            self._pump_up()
        if events & (select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR):
            self._pump_down()

    def _on_backend(self, events: int) -> None:
        if self._up is None or self._down is None:
            self._backend_answered(events)
            return
        if events & _GONE:
            self._down.hangup = True
        if events & (select.EPOLLIN | _GONE):
            self._pump_down()
        if events & (select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR):
            self._pump_up()

    def _backend_answered(self, events: int) -> None:
        backend = self._backend
        if backend is None:
            return
        if backend.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._connect_failed()
            return
        if not events & select.EPOLLOUT:
            return
        self._listener.connected(self)
        self._up = Flow(self._client, backend, self._runtime.pipes)
        self._down = Flow(backend, self._client, self._runtime.pipes)
        self._up.hangup = self._client_hangup
        self._down.hangup = bool(events & _GONE)
        self._pump_up()
        if events & (select.EPOLLIN | _GONE):
            self._pump_down()

    def _pump_up(self) -> None:
        flow = self._up
        if flow is None or self._backend is None or flow.ended:
            return
        before = flow.moved
        more = self._pump(flow)
        self._counters.received += flow.moved - before
        if more:
            self._runtime.poller.again(self._pump_up)
        elif flow.ended:
            self._flow_ended()

    def _pump_down(self) -> None:
        flow = self._down
        if flow is None or self._backend is None or flow.ended:
            return
        before = flow.moved
        more = self._pump(flow)
        self._counters.sent += flow.moved - before
        if more:
            self._runtime.poller.again(self._pump_down)
        elif flow.ended:
            self._flow_ended()

    def _pump(self, flow: Flow) -> bool:
        try:
            return flow.pump()
        except SinkError:
            # Nothing goes there any more, but what came from there before may still be read.
            self._broken = True
            flow.stop()
            other = self._down if flow is self._up else self._up
            if other is not None:
                other.hangup = True
                self._runtime.poller.again(self._pump_down if flow is self._up else self._pump_up)
        except OSError:
            self._close(reset=True)
        return False

    def _flow_ended(self) -> None:
        if self._up is not None and self._down is not None and self._up.ended and self._down.ended:
            self._close(reset=self._broken)

    def _close(self, *, reset: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if self._up is not None and self._down is not None:
            self._up.stop()
            self._down.stop()
        if reset:
            for sock in (self._client, self._backend):
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._drop_backend()
        self._runtime.poller.close(self._client)
        self._counters.active -= 1
        self._runtime.descriptors.give(2)
