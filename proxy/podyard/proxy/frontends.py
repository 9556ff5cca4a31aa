"""The open sockets of the node: brought in line with the table, and tried again where that failed."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

from podyard.process.clock import TimerHandle
from podyard.proxy.listeners import Listener, Runtime
from podyard.proxy.listeners.health import HealthListener
from podyard.proxy.listeners.tcp import TcpListener
from podyard.proxy.listeners.udp import UdpListener
from podyard.proxy.table import EXTERNAL_IP, HEALTH_CHECK, LOAD_BALANCER, Changes, Frontend, Rule, Rules

RETRY_SECONDS = 3.0

OnFailure = Callable[[Frontend, Rule, str], None]
"""Called once for every frontend that cannot be bound, with the reason."""

logger = logging.getLogger("proxy")


class Frontends:
    """Listeners by frontend. A frontend that cannot be bound does not hinder the others."""

    def __init__(self, runtime: Runtime, on_failure: OnFailure) -> None:
        self._runtime = runtime
        self._on_failure = on_failure
        self._open: dict[Frontend, Listener] = {}
        self._failed: Rules = {}
        self._retry: TimerHandle | None = None

    def apply(self, changes: Changes) -> None:
        """Do what has changed; nothing else is touched."""
        for frontend in changes.removed:
            self._failed.pop(frontend, None)
            listener = self._open.pop(frontend, None)
            if listener is not None:
                listener.close()
        for frontend, rule in changes.set.items():
            listener = self._open.get(frontend)
            if listener is not None:
                listener.update(rule)
            elif frontend in self._failed:
                self._failed[frontend] = rule
            else:
                self._try(frontend, rule, report=True)
        self._count()

    def close(self) -> None:
        """Stop listening on all."""
        if self._retry is not None:
            self._retry.cancel()
        for listener in self._open.values():
            listener.close()
        self._open.clear()
        self._failed.clear()
        self._count()

    def _try(self, frontend: Frontend, rule: Rule, *, report: bool) -> None:
        try:
            self._open[frontend] = _kind(frontend, rule)(frontend, rule, self._runtime)
        except OSError as error:
            self._failed[frontend] = rule
            if report:
                self._report(frontend, rule, error)
            self._retry_later()
            return
        if self._failed.pop(frontend, None) is not None:
            logger.info("listening on %s after all", frontend)

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
            self._retry = self._runtime.clock.call_later(RETRY_SECONDS, self._try_failed)

    def _try_failed(self) -> None:
        self._retry = None
        for frontend, rule in list(self._failed.items()):
            self._try(frontend, rule, report=False)
        self._count()

    def _count(self) -> None:
        self._runtime.metrics.listeners = len(self._open)
        self._runtime.metrics.failed_listeners = len(self._failed)


def _kind(frontend: Frontend, rule: Rule) -> type[TcpListener] | type[UdpListener] | type[HealthListener]:
    if rule.kind == HEALTH_CHECK:
        return HealthListener
    return TcpListener if frontend.protocol == "TCP" else UdpListener
