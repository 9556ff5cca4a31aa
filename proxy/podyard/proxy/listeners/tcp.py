"""TCP frontends: accept, and hand each client to a Connection."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections import OrderedDict

from podyard.proxy.balancer import Balancer
from podyard.proxy.connecting import Connecting, begin, finish
from podyard.proxy.listeners import Runtime
from podyard.proxy.poller import LEVEL_IN
from podyard.proxy.sockets import reset_at_close
from podyard.proxy.table import Rule

BACKLOG = 4096
ACCEPTS = 64
"""Clients accepted before the connections there are get their turn."""
CHECK_SECONDS = 0.25
"""How long an endpoint has to answer a connect before it is looked at (RFC 8305's delay between attempts)."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Client = tuple[int, str]
"""A descriptor and an address."""

logger = logging.getLogger("proxy")


def listen(sock: socket.socket) -> None:
    """Begin to take clients. Raises OSError when the address is taken.

    Accepted sockets inherit both options: peers that have vanished are noticed, and small answers go
    out at once.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.listen(BACKLOG)


class TcpListener:
    """Serves a listening TCP socket. Raises OSError when the kernel refuses to watch it."""

    def __init__(self, rule: Rule, sock: socket.socket, runtime: Runtime) -> None:
        self.runtime = runtime
        self.balancer = Balancer(rule, runtime.clock)
        self.counters = runtime.counters.of(rule.service)
        self._rule = rule
        self._connecting: OrderedDict[Connecting, float] = OrderedDict()
        self._checking = False
        self._closed = False
        self._paused = False
        self._at_once = 1
        self._socket = sock
        runtime.descriptors.reserve()
        runtime.poller.watch(sock.fileno(), self._accept, LEVEL_IN)

    def update(self, rule: Rule) -> None:
        """Follow a changed rule; established connections stay where they are."""
        self._rule = rule
        self.balancer.update(rule)
        self.counters = self.runtime.counters.of(rule.service)

    def close(self) -> None:
        """Serve who waits in the accept queue (closing would reset them), then stop listening."""
        self._closed = True
        while clients := self._take(ACCEPTS):
            self._serve(clients)
        if self._paused:
            self._socket.close()
        else:
            self.runtime.poller.close(self._socket.detach())
        self.runtime.descriptors.give(1)

    def connecting(self, connection: Connecting) -> None:
        """`connection` waits for an endpoint's answer: see to it that this does not last."""
        self._connecting[connection] = self.runtime.clock.now() + CHECK_SECONDS
        self._check_later(CHECK_SECONDS)

    def connected(self, connection: Connecting) -> None:
        """`connection` has its answer, or has given up."""
        self._connecting.pop(connection, None)

    def _accept(self, _events: int) -> None:
        """Accept many at once while they come, and one when few do: then a second try were for nothing."""
        clients = self._take(self._at_once)
        self._at_once = ACCEPTS if len(clients) > 1 or self._at_once == 1 else 1
        self._serve(clients)

    def _take(self, most: int) -> list[Client]:
        """Accept `most` clients, or fewer when there are no more, or nothing to serve them with."""
        clients: list[Client] = []
        for _ in range(most):
            if not self._accept_one(clients):
                break
        return clients

    def _serve(self, clients: list[Client]) -> None:
        """Begin to connect all of them before anything is sent for one.

        What follows then goes out back to back, and a backend that the first has woken up is still awake for
        the others: to wake another processor is an interrupt, which costs as much as all of the Python here.
        """
        begun = [begin(self, client, address) for client, address in clients]
        for one in begun:
            finish(self, one)

    def _accept_one(self, clients: list[Client]) -> bool:
        """Accept one client; False when there is none, or nothing to serve it with."""
        descriptors = self.runtime.descriptors
        if not descriptors.take(2):
            self._pause()
            return False
        try:
            client, address = self._socket._accept()  # type: ignore[attr-defined]  # accept() makes an object
        except OSError as error:
            descriptors.give(2)
            return self._not_accepted(error)
        if self._rule.sources and not self._rule.admits(address[0]):
            reset_at_close(client)
            os.close(client)
            descriptors.give(2)
            return True
        os.set_blocking(client, False)
        clients.append((client, address[0]))
        return True

    def _not_accepted(self, error: OSError) -> bool:
        """Whether to try for the next client."""
        if error.errno in _EXHAUSTED:
            self._pause()
        elif error.errno == errno.ECONNABORTED:
            return True
        elif error.errno != errno.EAGAIN:
            logger.warning("%s/%s: accept: %s", *self._rule.service, error.strerror)
        return False

    def _pause(self) -> None:
        if not self._paused and not self._closed:
            self._paused = True
            self.runtime.poller.forget(self._socket.fileno())
            self.runtime.descriptors.wait(self._resume)

    def _resume(self) -> None:
        if self._closed:
            return
        try:
            self.runtime.poller.watch(self._socket.fileno(), self._accept, LEVEL_IN)
        except OSError:  # the kernel has not got over it yet
            self.runtime.descriptors.wait(self._resume)
        else:
            self._paused = False

    def _check_later(self, seconds: float) -> None:
        if not self._checking:
            self._checking = True
            self.runtime.clock.call_later(seconds, self._check)

    def _check(self) -> None:
        now = self.runtime.clock.now()
        while self._connecting:
            connection, deadline = next(iter(self._connecting.items()))
            if deadline > now:
                break
            del self._connecting[connection]
            connection.is_slow()
        self._checking = False
        if self._connecting:
            self._check_later(next(iter(self._connecting.values())) - now)
