"""UDP frontends: a flow, with a socket of its own, for every client address."""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection

from podyard.process.mmsg import socket_address
from podyard.proxy.balancer import Balancer
from podyard.proxy.datagrams import SLOTS, Number, shared
from podyard.proxy.listeners import Runtime
from podyard.proxy.poller import EDGES, LEVEL_IN
from podyard.proxy.sockets import DATAGRAM, Raw, family_of
from podyard.proxy.table import Endpoint, Rule

IDLE_SECONDS = 30.0
"""A flow without a packet in either direction ends (Linux' nf_conntrack_udp_timeout)."""
SWEEP_SECONDS = 5.0
ENDPOINTS_TRIED = 16
"""How many endpoints a burst is sent to, each of which refuses it, before what is left is dropped."""
FLOWS = 16384
"""Flows of one frontend; more clients than that are dropped until some end."""

logger = logging.getLogger("proxy")


Name = bytes
"""A client's struct sockaddr."""


class UdpListener:
    """Serves a bound UDP socket. Raises OSError when the kernel refuses to watch it."""

    def __init__(self, rule: Rule, sock: socket.socket, runtime: Runtime) -> None:
        self.runtime = runtime
        self.balancer = Balancer(rule, runtime.clock)
        self.counters = runtime.counters.of(rule.service)
        self._rule = rule
        self._flows: dict[Name, _UdpFlow] = {}
        self._sweeping = False
        self._full = False
        self._socket = sock
        self._number = Number(sock.fileno())
        self._family = sock.family
        self._datagrams = shared()
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
        if self._flows.pop(flow.name, None) is None:
            return
        self.runtime.poller.close(flow.socket.detach())
        self.runtime.descriptors.give(1)
        flow.counters.active -= 1

    def _receive(self, _events: int) -> None:
        """Pass on what clients have sent, those of one client that follow each other together."""
        sizes, names = self._datagrams.receive_named(self._number, self._family)
        first = 0
        for slot, name in enumerate(names):
            if slot + 1 == len(names) or names[slot + 1] != name:
                flow = self._flows.get(name) or self._begin(name)
                if flow is not None:
                    self._pass_on(flow, first, slot + 1, sum(sizes[first : slot + 1]))
                first = slot + 1

    def _pass_on(self, flow: _UdpFlow, begin: int, end: int, size: int) -> None:
        flow.counters.received.count += size
        begin = self._send(flow, begin, end)
        if begin < end:
            self._send_elsewhere(flow, begin, end)

    def _send(self, flow: _UdpFlow, begin: int, end: int) -> int:
        """Send slots to the flow's endpoint; the first that is for another, as this one refuses, or `end`."""
        flow.used = self.runtime.clock.now()
        try:
            begin = self._datagrams.send(flow.number, begin, end)
            while begin < end:  # there was an error, which the kernel has dropped; one alone shows it
                begin = self._datagrams.send(flow.number, begin, begin + 1)
                if flow.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self._refused(flow)
                    return begin
        except BlockingIOError:
            return end  # the endpoint does not keep up: datagrams are lost, as on any network
        except OSError:
            self._refused(flow)
        return begin

    def _send_elsewhere(self, refused: _UdpFlow, begin: int, end: int) -> None:
        """Send what is left of a burst to other endpoints. What none takes is lost."""
        tried = {refused.endpoint}
        while begin < end and len(tried) < ENDPOINTS_TRIED:
            flow = self._begin(refused.name, tried)
            if flow is None:
                return
            begin = self._send(flow, begin, end)
            tried.add(flow.endpoint)

    def _begin(self, name: Name, tried: Collection[Endpoint] = ()) -> _UdpFlow | None:
        """A flow of this client, to an endpoint that has not been `tried`; None when there can be none."""
        address, _ = socket_address(name)
        if not self._rule.admits(address):
            return None
        endpoint = self.balancer.pick_other(address, tried) if tried else self.balancer.pick(address)
        if endpoint is None:
            return None
        if len(self._flows) >= FLOWS or not self.runtime.descriptors.take(1):
            self._drop()
            return None
        try:
            flow = _UdpFlow(self, name, endpoint)
        except OSError:
            self.runtime.descriptors.give(1)
            self._drop()
            return None
        self._full = False
        self._flows[name] = flow
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
        try:
            sizes = self._datagrams.receive(flow.number)
        except BlockingIOError:
            return
        except OSError:
            self._refused(flow)  # nobody listens there (ICMP port unreachable)
            return
        flow.counters.sent.count += sum(sizes)
        self._datagrams.answer(self._number, flow.name, len(sizes))
        if len(sizes) == SLOTS:
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

    __slots__ = ("counters", "endpoint", "listener", "name", "number", "socket", "used")

    def __init__(self, listener: UdpListener, name: Name, endpoint: Endpoint) -> None:
        self.listener = listener
        self.name = name
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
        self.number = Number(self.socket.fileno())

    def go_on(self) -> None:
        """Another turn, if the flow is still there."""
        if self.socket.fileno() >= 0:
            self.listener.reply(self)

    def _ready(self, _events: int) -> None:
        self.listener.reply(self)
