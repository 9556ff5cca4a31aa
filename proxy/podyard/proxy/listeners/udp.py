"""UDP frontends: a flow, with a socket of its own, for every client address."""

from __future__ import annotations

import logging
import socket

from podyard.proxy.balancer import Balancer
from podyard.proxy.listeners import Runtime
from podyard.proxy.poller import EDGES, LEVEL_IN
from podyard.proxy.sockets import DATAGRAM, Raw, family_of
from podyard.proxy.table import Endpoint, Rule

IDLE_SECONDS = 30.0
"""A flow without a packet in either direction ends (Linux' nf_conntrack_udp_timeout)."""
SWEEP_SECONDS = 5.0
FLOWS = 16384
"""Flows of one frontend; more clients than that are dropped until some end."""
DATAGRAMS = 64
"""Datagrams of one socket before others get their turn."""
LARGEST = 65535

_buffer = bytearray(LARGEST)
_view = memoryview(_buffer)

logger = logging.getLogger("proxy")


Client = tuple[str, int] | tuple[str, int, int, int]
"""A socket address, of IPv4 or IPv6."""


class UdpListener:
    """Serves a bound UDP socket. Raises OSError when the kernel refuses to watch it."""

    def __init__(self, rule: Rule, sock: socket.socket, runtime: Runtime) -> None:
        self.runtime = runtime
        self.balancer = Balancer(rule, runtime.clock)
        self.counters = runtime.counters.of(rule.service)
        self._rule = rule
        self._flows: dict[Client, _UdpFlow] = {}
        self._sweeping = False
        self._full = False
        self._socket = sock
        runtime.descriptors.reserve()
        runtime.poller.watch(sock.fileno(), self._receive, LEVEL_IN)

    def update(self, rule: Rule) -> None:
        """Follow a changed rule; flows to an endpoint that is gone end at once."""
        self._rule = rule
        self.balancer.update(rule)
        self.counters = self.runtime.counters.of(rule.service)
        for flow in [flow for flow in self._flows.values() if flow.endpoint not in rule.endpoints]:
            self.end(flow)

    def close(self) -> None:
        """End all flows and unbind."""
        for flow in list(self._flows.values()):
            self.end(flow)
        self.runtime.poller.close(self._socket.detach())
        self.runtime.descriptors.give(1)

    def end(self, flow: _UdpFlow) -> None:
        """Forget a flow; the client's next datagram begins another."""
        if self._flows.pop(flow.client, None) is None:
            return
        self.runtime.poller.close(flow.socket.detach())
        self.runtime.descriptors.give(1)
        flow.counters.active -= 1

    def _receive(self, _events: int) -> None:
        now = self.runtime.clock.now()
        receive, flows = self._socket.recvfrom_into, self._flows
        for _ in range(DATAGRAMS):
            try:
                size, client = receive(_buffer)
            except OSError:
                return  # nothing more, or an error of an earlier reply to a client that is gone
            flow = flows.get(client) or self._begin(client)
            if flow is not None:
                flow.used = now
                flow.counters.received.count += size
                try:
                    flow.send(_view[:size])
                except BlockingIOError:
                    pass  # the endpoint does not keep up: datagrams are lost, as on any network
                except OSError:
                    self._refused(flow)

    def _begin(self, client: Client) -> _UdpFlow | None:
        if not self._rule.admits(client[0]):
            return None
        if len(self._flows) >= FLOWS or not self.runtime.descriptors.take(1):
            self._drop()
            return None
        try:
            flow = _UdpFlow(self, client, self.balancer.pick(client[0]))
        except OSError:
            self.runtime.descriptors.give(1)
            self._drop()
            return None
        self._full = False
        self._flows[client] = flow
        self.counters.connections += 1
        self.counters.active += 1
        self._sweep_later()
        return flow

    def _drop(self) -> None:
        self.counters.errors += 1
        if not self._full:
            self._full = True
            text = "%s/%s: too many UDP flows, new clients are dropped until some end"
            logger.warning(text, *self._rule.service)

    def _refused(self, flow: _UdpFlow) -> None:
        self.counters.errors += 1
        self.end(flow)

    def reply(self, flow: _UdpFlow) -> None:
        """Pass on what the endpoint has sent."""
        flow.used = self.runtime.clock.now()
        receive, send = flow.socket.recv_into, self._socket.sendto
        for _ in range(DATAGRAMS):
            try:
                size = receive(_buffer)
            except BlockingIOError:
                return
            except OSError:
                self._refused(flow)  # nobody listens there (ICMP port unreachable)
                return
            flow.counters.sent.count += size
            try:
                send(_view[:size], flow.client)
            except OSError:
                pass  # the client is gone, or its buffer is full
        self.runtime.poller.again(flow.go_on)

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self.runtime.clock.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        oldest = self.runtime.clock.now() - IDLE_SECONDS
        for flow in [flow for flow in self._flows.values() if flow.used <= oldest]:
            self.end(flow)
        if self._flows:
            self._sweep_later()


class _UdpFlow:
    """A client's datagrams to one endpoint, and back."""

    __slots__ = ("client", "counters", "endpoint", "listener", "send", "socket", "used")

    def __init__(self, listener: UdpListener, client: Client, endpoint: Endpoint) -> None:
        self.listener = listener
        self.client = client
        self.endpoint = endpoint
        self.counters = listener.counters
        self.used = 0.0
        self.socket = Raw(family_of(endpoint[0]), DATAGRAM)
        try:
            self.socket.connect(endpoint)
            listener.runtime.poller.watch(self.socket.fileno(), self._ready, EDGES)
        except OSError:
            self.socket.close()
            raise
        self.send = self.socket.send

    def go_on(self) -> None:
        """Another turn, if the flow is still there."""
        if self.socket.fileno() >= 0:
            self.listener.reply(self)

    def _ready(self, _events: int) -> None:
        self.listener.reply(self)
