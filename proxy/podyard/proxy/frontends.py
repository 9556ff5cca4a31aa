"""The open sockets of the node: brought in line with the table, and tried again where that failed."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from podyard.process.clock import Clock, TimerHandle
from podyard.proxy.health import HealthListener
from podyard.proxy.listeners.tcp import listen
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.sockets import NewSocket, bind, share, socket_here
from podyard.proxy.table import EXTERNAL_IP, HEALTH_CHECK, LOAD_BALANCER, Changes, Frontend, Rule, Rules

RETRY_SECONDS = 3.0

OnFailure = Callable[[Frontend, Rule, str], None]
"""Called once for every frontend that cannot be bound, with the reason."""

logger = logging.getLogger("proxy")


class Forwarders(Protocol):
    """Those who serve the sockets (see Workers)."""

    number: int

    def open(self, frontend: Frontend, rule: Rule, sockets: list[socket.socket]) -> None:
        """Serve a frontend: `number` bound sockets."""

    def update(self, frontend: Frontend, rule: Rule) -> None:
        """Let it follow another rule."""

    def remove(self, frontend: Frontend) -> None:
        """Stop serving it."""

    def flush(self) -> None:
        """All of this holds from now on."""


class Frontends:
    """Bound sockets by frontend. A frontend that cannot be bound does not hinder the others."""

    def __init__(
        self,
        forwarders: Forwarders,
        metrics: ProxyMetrics,
        clock: Clock,
        on_failure: OnFailure,
        new_socket: NewSocket = socket_here,
    ) -> None:
        self._forwarders = forwarders
        self._new_socket = new_socket
        self._metrics = metrics
        self._clock = clock
        self._on_failure = on_failure
        self._open: dict[Frontend, HealthListener | _Shared] = {}
        self._failed: Rules = {}
        self._retry: TimerHandle | None = None

    def apply(self, changes: Changes) -> None:
        """Do what has changed; nothing else is touched. It is in force after the forwarders' `flush`."""
        for frontend in changes.removed:
            self._failed.pop(frontend, None)
            opened = self._open.pop(frontend, None)
            if isinstance(opened, HealthListener):
                opened.close()
            elif opened is not None:
                self._forwarders.remove(frontend)
        for frontend, rule in changes.set.items():
            opened = self._open.get(frontend)
            if isinstance(opened, HealthListener):
                opened.update(rule)
            elif opened is not None:
                opened.follow(rule)
                self._forwarders.update(frontend, rule)
            elif frontend in self._failed:
                self._failed[frontend] = rule
            else:
                self._try(frontend, rule, report=True)
        self._count()

    def close(self) -> None:
        """Answer no more health checks, try nothing again. (The forwarders' sockets end with them.)"""
        if self._retry is not None:
            self._retry.cancel()
        for opened in self._open.values():
            if isinstance(opened, HealthListener):
                opened.close()
        self._open.clear()
        self._failed.clear()
        self._count()

    def _try(self, frontend: Frontend, rule: Rule, *, report: bool) -> None:
        try:
            self._open[frontend] = self._listen(frontend, rule)
        except OSError as error:
            self._failed[frontend] = rule
            if report:
                self._report(frontend, rule, error)
            self._retry_later()
            return
        if self._failed.pop(frontend, None) is not None:
            logger.info("listening on %s after all", frontend)

    def _listen(self, frontend: Frontend, rule: Rule) -> HealthListener | _Shared:
        if rule.kind == HEALTH_CHECK:
            return HealthListener(frontend, rule)
        sockets: list[socket.socket] = []
        try:
            for _ in range(self._forwarders.number):
                sockets.append(bind(frontend, self._new_socket))
                if frontend.protocol == "TCP":
                    listen(sockets[-1])
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        shared = _Shared(sockets[0])
        shared.follow(rule)
        self._forwarders.open(frontend, rule, sockets)
        return shared

    def _report(self, frontend: Frontend, rule: Rule, error: OSError) -> None:
        reason = error.strerror or str(error)
        service = "/".join(rule.service)
        if error.errno == errno.EADDRNOTAVAIL and rule.kind in (EXTERNAL_IP, LOAD_BALANCER):
            # Another node's address, as a rule: nothing that anybody needs to put right.
            logger.info("%s: %s is not an address of this node", service, frontend)
            return
        if error.errno == errno.EACCES:
            reason += " (ports below net.ipv4.ip_unprivileged_port_start need root)"
        logger.warning("%s: cannot listen on %s: %s; trying again", service, frontend, reason)
        self._on_failure(frontend, rule, reason)

    def _retry_later(self) -> None:
        if self._retry is None:
            self._retry = self._clock.call_later(RETRY_SECONDS, self._try_failed)

    def _try_failed(self) -> None:
        self._retry = None
        for frontend, rule in list(self._failed.items()):
            self._try(frontend, rule, report=False)
        self._forwarders.flush()
        self._count()

    def _count(self) -> None:
        self._metrics.listeners = len(self._open)
        self._metrics.failed_listeners = len(self._failed)


class _Shared:
    """The group of sockets that share a frontend: one worker takes all clients, or all workers share them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sticky = False

    def follow(self, rule: Rule) -> None:
        """With session affinity one has to remember who belongs where."""
        if bool(rule.affinity_seconds) != self._sticky:
            self._sticky = not self._sticky
            share(self._sock, self._sticky)
