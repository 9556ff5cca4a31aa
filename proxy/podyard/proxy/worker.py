"""A worker: the process that forwards. It is told what to forward, and decides nothing.

The proxy starts it with one end of a channel (channel.py), binds all sockets and sends them with their
rules. It knows neither the apiserver nor asyncio, so its loop is the poller alone, and it is small.

When the proxy has gone without a word (killed), its workers go on with what they know until the next
proxy is there: they listen for ORPHAN_SECONDS more, and end when the connections they have do; at once
when the proxy's supervisor is gone too.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass

from podyard.process.limits import raise_descriptor_limit
from podyard.process.logs import configure_logging
from podyard.proxy.channel import DescriptorsLost, Receiver, Sender
from podyard.proxy.counters import ServiceCounters
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.listeners import Listener, Runtime
from podyard.proxy.listeners.tcp import TcpListener
from podyard.proxy.listeners.udp import UdpListener
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import LEVEL_IN, Poller
from podyard.proxy.table import Frontend, Rule, ServiceKey

ORPHAN_SECONDS = 3.0
SUPERVISOR_SECONDS = 0.1
LAST_SECONDS = 60.0
"""How long after its proxy's death a worker serves the connections that it has, at most."""
REPORT_SECONDS = 2.0
GARBAGE_THRESHOLD = 50_000
"""New objects between two looks for cycles: connections make none, idle ones would only be looked at."""

logger = logging.getLogger("proxy")


@dataclass(frozen=True, slots=True)
class Order:
    """What the proxy sends: frontends to listen on, to follow another rule, to stop; Services to forget.

    The sockets of `opened`, in its order, come with the message.
    """

    removed: tuple[Frontend, ...] = ()
    opened: tuple[tuple[Frontend, Rule], ...] = ()
    updated: tuple[tuple[Frontend, Rule], ...] = ()
    forgotten: tuple[ServiceKey, ...] = ()
    stop: bool = False


class Worker:
    """Obeys orders, and reports what it counts."""

    def __init__(self, channel: socket.socket, supervisor: int, runtime: Runtime) -> None:
        self._supervisor = supervisor
        self._channel = channel
        self._receiver = Receiver(channel)
        self._sender = Sender(channel)
        self._runtime = runtime
        self._listeners: dict[Frontend, Listener] = {}
        self._reported: object = None
        self.done = False
        runtime.poller.watch(channel.fileno(), self._told, LEVEL_IN)
        runtime.clock.call_later(REPORT_SECONDS, self._report)

    def _told(self, _events: int) -> None:
        try:
            messages = self._receiver.take()
        except DescriptorsLost:
            logger.error("no descriptors are left for new addresses: ending, with all connections")
            self.done = True
            return
        if messages is None:
            self._orphaned()
            return
        for order, descriptors in messages:
            self._obey(order, [socket.socket(fileno=descriptor) for descriptor in descriptors])

    def _obey(self, order: Order, sockets: list[socket.socket]) -> None:
        for frontend in order.removed:
            listener = self._listeners.pop(frontend, None)
            if listener is not None:
                listener.close()
        for (frontend, rule), sock in zip(order.opened, sockets, strict=True):
            kind = TcpListener if frontend.protocol == "TCP" else UdpListener
            try:
                self._listeners[frontend] = kind(rule, sock, self._runtime)
            except OSError as error:
                logger.error("%s: cannot be watched: %s", frontend, error.strerror)
        for frontend, rule in order.updated:
            if frontend in self._listeners:
                self._listeners[frontend].update(rule)
        for service in order.forgotten:
            self._runtime.counters.forget(service)
        self.done = self.done or order.stop

    def _report(self) -> None:
        if self.done or self._channel.fileno() < 0:
            return
        report = self._runtime.counters.report(self._runtime.descriptors)
        if self._sender.empty:  # else the proxy does not listen now
            self._sender.put(report if report != self._reported else None)  # None: still there
            self._reported = report
        try:
            self._sender.flush()
        except OSError:
            pass  # the proxy is gone, which `_told` hears of
        self._runtime.clock.call_later(REPORT_SECONDS, self._report)

    def _orphaned(self) -> None:
        self._runtime.poller.close(self._channel.detach())
        self._runtime.clock.call_later(ORPHAN_SECONDS, self._stop_listening)
        self._runtime.clock.call_later(LAST_SECONDS, self._end)
        self._follow_supervisor()

    def _follow_supervisor(self) -> None:
        try:
            os.kill(self._supervisor, 0)
        except ProcessLookupError:
            self._end()  # nobody will start another proxy
        except PermissionError:
            pass
        self._runtime.clock.call_later(SUPERVISOR_SECONDS, self._follow_supervisor)

    def _stop_listening(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._runtime.counters.active() <= 0:
            self._end()
        else:
            self._runtime.clock.call_later(1.0, self._end_when_idle)

    def _end(self) -> None:
        self.done = True


def main(descriptor: int, supervisor: int, log_level: str) -> None:
    """Work until told to stop, or until the proxy is long gone."""
    configure_logging(log_level)
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole process group: the proxy decides
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    poller = Poller()
    descriptors = Descriptors(raise_descriptor_limit(), poller)
    runtime = Runtime(poller, PipePool(descriptors), descriptors, ServiceCounters(), poller)
    worker = Worker(socket.socket(fileno=descriptor), supervisor, runtime)
    while not worker.done:
        poller.turn()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
