"""TCP frontends: accept, and hand each client to a Connection."""

from __future__ import annotations

import errno
import logging
import socket
from collections import OrderedDict

from podyard.proxy.balancer import Balancer
from podyard.proxy.connection import RESET, Connection
from podyard.proxy.listeners import Runtime, bind, share
from podyard.proxy.poller import LEVEL_IN
from podyard.proxy.table import Frontend, Rule

BACKLOG = 4096
ACCEPTS = 64
"""Clients accepted before the connections there are get their turn."""
CONNECT_SECONDS = 5.0
"""An endpoint that has not answered a connect by then is passed over."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger("proxy")


class TcpListener:
    """A listening TCP socket. Raises OSError when it cannot be bound."""

    def __init__(self, frontend: Frontend, rule: Rule, runtime: Runtime) -> None:
        self.runtime = runtime
        self._frontend = frontend
        self._rule = rule
        self.balancer = Balancer(rule, runtime.clock)
        self.counters = runtime.metrics.of(rule.service)
        self._sticky = bool(rule.affinity_seconds)
        self._connecting: OrderedDict[Connection, float] = OrderedDict()
        self._checking = False
        self._closed = False
        self._paused = False
        self._socket = bind(frontend, runtime)
        try:
            # Accepted sockets inherit it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket.listen(BACKLOG)
            runtime.poller.add(self._socket, self._accept, LEVEL_IN)
        except OSError:
            self._socket.close()
            raise
        if self._sticky:
            share(self._socket, True)

    def update(self, rule: Rule) -> None:
        """Follow a changed rule; established connections stay where they are."""
        self._rule = rule
        self.balancer.update(rule)
        self.counters = self.runtime.metrics.of(rule.service)
        if bool(rule.affinity_seconds) != self._sticky:
            self._sticky = not self._sticky
            share(self._socket, self._sticky)

    def close(self) -> None:
        """Serve who waits in the accept queue (closing would reset them), then stop listening."""
        self._closed = True
        while self._accept_one():
            pass
        self.runtime.poller.remove(self._socket)
        self._socket.close()

    def connecting(self, connection: Connection) -> None:
        """`connection` waits for an endpoint's answer: see to it that this does not last."""
        self._connecting[connection] = self.runtime.clock.now() + CONNECT_SECONDS
        self._check_later(CONNECT_SECONDS)

    def connected(self, connection: Connection) -> None:
        """`connection` has its answer, or has given up."""
        self._connecting.pop(connection, None)

    def _accept(self, _events: int) -> None:
        for _ in range(ACCEPTS):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """Accept one client; False when there is none, or nothing to serve it with."""
        descriptors = self.runtime.descriptors
        if not descriptors.take(2):
            self._pause()
            return False
        try:
            client, address = self._socket.accept()
        except OSError as error:
            descriptors.give(2)
            if error.errno in _EXHAUSTED:
                self._pause()
            elif error.errno == errno.ECONNABORTED:
                return True
            elif error.errno != errno.EAGAIN:
                logger.warning("accept on %s: %s", self._frontend, error.strerror)
            return False
        if not self._rule.admits(address[0]):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            descriptors.give(2)
            return True
        client.setblocking(False)
        Connection(self, client, address[0]).start()
        return True

    def _pause(self) -> None:
        if not self._paused and not self._closed:
            self._paused = True
            self.runtime.poller.remove(self._socket)
            self.runtime.descriptors.wait(self._resume)

    def _resume(self) -> None:
        self._paused = False
        if not self._closed:
            self.runtime.poller.add(self._socket, self._accept, LEVEL_IN)

    def _check_later(self, seconds: float) -> None:
        if not self._checking:
            self._checking = True
            self.runtime.clock.call_later(seconds, self._check)

    def _check(self) -> None:
        self._checking = False
        now = self.runtime.clock.now()
        while self._connecting:
            connection, deadline = next(iter(self._connecting.items()))
            if deadline > now:
                self._check_later(deadline - now)
                return
            del self._connecting[connection]
            connection.connect_timed_out()
