"""UDP frontends: a flow, with a socket of its own, for every client address."""

from __future__ import annotations

import logging
import select
import socket

from podyard.proxy.balancer import Balancer
from podyard.proxy.listeners import Runtime, bind, share
from podyard.proxy.poller import EDGES, LEVEL_IN
from podyard.proxy.table import Endpoint, Frontend, Rule

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


class UdpListener:
    """A bound UDP socket and its flows. Raises OSError when it cannot be bound."""

    def __init__(self, frontend: Frontend, rule: Rule, runtime: Runtime) -> None:
        self.runtime = runtime
        self.balancer = Balancer(rule, runtime.clock)
        self.counters = runtime.metrics.of(rule.service)
        self._frontend = frontend
        self._rule = rule
        self._sticky = bool(rule.affinity_seconds)
        self._flows: dict[tuple[str, int], _UdpFlow] = {}
        self._sweeping = False
        self._full = False
        self.socket = bind(frontend, runtime)
        try:
            runtime.poller.add(self.socket, self._receive, LEVEL_IN)
        except OSError:
            self.socket.close()
            raise
        if self._sticky:
            share(self.socket, True)

    def update(self, rule: Rule) -> None:
        """Follow a changed rule; flows to an endpoint that is gone end at once."""
        self._rule = rule
        self.balancer.update(rule)
        self.counters = self.runtime.metrics.of(rule.service)
        for flow in [flow for flow in self._flows.values() if flow.endpoint not in rule.endpoints]:
            self.end(flow)
        if bool(rule.affinity_seconds) != self._sticky:
            self._sticky = not self._sticky
            share(self.socket, self._sticky)

    def close(self) -> None:
        """End all flows and unbind."""
        for flow in list(self._flows.values()):
            self.end(flow)
        self.runtime.poller.remove(self.socket)
        self.socket.close()

    def end(self, flow: _UdpFlow) -> None:
        """Forget a flow; the client's next datagram begins another."""
        if self._flows.pop(flow.client, None) is None:
            return
        self.runtime.poller.close(flow.socket)
        self.runtime.descriptors.give(1)
        flow.counters.active -= 1

    def _receive(self, _events: int) -> None:
        now = self.runtime.clock.now()
        for _ in range(DATAGRAMS):
            try:
                size, client = self.socket.recvfrom_into(_buffer)
            except OSError:
                return  # nothing more, or an error of an earlier reply to a client that is gone
            flow = self._flows.get(client[:2]) or self._begin(client[:2])
            if flow is not None:
                flow.used = now
                flow.counters.received += size
                try:
                    flow.socket.send(_view[:size])
                except BlockingIOError:
                    pass  # the endpoint does not keep up: datagrams are lost, as on any network
                except OSError:
                    self._refused(flow)

    def _begin(self, client: tuple[str, int]) -> _UdpFlow | None:
        if not self._rule.admits(client[0]):
            return None
        endpoint = self.balancer.pick(client[0])
        if endpoint is None:
            return None
        if len(self._flows) >= FLOWS or not self.runtime.descriptors.take(1):
            self._drop()
            return None
        try:
            flow = _UdpFlow(self, client, endpoint)
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
            logger.warning("%s: too many UDP flows, new clients are dropped until some end", self._frontend)

    def _refused(self, flow: _UdpFlow) -> None:
        self.counters.errors += 1
        self.end(flow)

    def reply(self, flow: _UdpFlow) -> None:
        """Pass on what the endpoint has sent."""
        for _ in range(DATAGRAMS):
            try:
                size = flow.socket.recv_into(_buffer)
            except BlockingIOError:
                return
            except OSError:
                self._refused(flow)  # nobody listens there (ICMP port unreachable)
                return
            flow.used = self.runtime.clock.now()
            flow.counters.sent += size
            try:
                self.socket.sendto(_view[:size], flow.client)
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

    __slots__ = ("client", "counters", "endpoint", "listener", "socket", "used")

    def __init__(self, listener: UdpListener, client: tuple[str, int], endpoint: Endpoint) -> None:
        self.listener = listener
        self.client = client
        self.endpoint = endpoint
        self.counters = listener.counters
        self.used = 0.0
        family = socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self.socket.connect(endpoint)
            listener.runtime.poller.add(self.socket, self._ready, EDGES & ~select.EPOLLOUT)
        except OSError:
            self.socket.close()
            raise

    def go_on(self) -> None:
        """Another turn, if the flow is still there."""
        if self.socket.fileno() >= 0:
            self.listener.reply(self)

    def _ready(self, _events: int) -> None:
        self.listener.reply(self)
