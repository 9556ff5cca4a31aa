"""Readiness of many descriptors, edge-triggered, inside the asyncio event loop.

One epoll of our own, which the event loop watches as a single descriptor: a connection is
registered once for both directions and needs no further system call when it changes between
reading and writing, which asyncio's add_reader and add_writer would make every time.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections.abc import Callable

Handler = Callable[[int], None]
"""Called with the EPOLL* bits of what has happened."""

EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
LEVEL_IN = select.EPOLLIN
BATCH = 256

logger = logging.getLogger("proxy")


class Poller:
    """Calls handlers when descriptors are ready.

    A descriptor that is closed while a batch of events is being worked on could be reused by a
    new connection, which then gets the old one's event. Hence `close`: it forgets the handler at
    once, and closes the descriptor when the batch is through.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._closing: list[socket.socket] = []
        self._later: list[Callable[[], None]] = []
        self._scheduled = False
        self._loop.add_reader(self._epoll.fileno(), self._run)

    def add(self, sock: socket.socket, handler: Handler, events: int = EDGES) -> None:
        """Start to watch. Raises OSError when the kernel refuses another watch."""
        descriptor = sock.fileno()
        self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler

    def remove(self, sock: socket.socket) -> None:
        """Stop to watch; the socket stays open."""
        if self._handlers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    def close(self, sock: socket.socket) -> None:
        """Stop to watch, and close the socket after the events at hand."""
        self._handlers.pop(sock.fileno(), None)
        self._closing.append(sock)
        self._schedule()

    def again(self, callback: Callable[[], None]) -> None:
        """Call `callback` after the others had their turn: for work that is too long for one."""
        self._later.append(callback)
        self._schedule()

    def shut(self) -> None:
        """Close everything that is still watched, and the epoll itself."""
        self._loop.remove_reader(self._epoll.fileno())
        self._handlers.clear()
        self._close_all()
        self._epoll.close()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._epoll.closed:
            return
        for descriptor, events in self._epoll.poll(0, BATCH):
            handler = self._handlers.get(descriptor)
            if handler is None:
                continue
            try:
                handler(events)
            except Exception:
                logger.exception("an event was not handled")
        later, self._later = self._later, []
        for callback in later:
            try:
                callback()
            except Exception:
                logger.exception("a turn was not handled")
        self._close_all()

    def _close_all(self) -> None:
        closing, self._closing = self._closing, []
        for sock in closing:
            sock.close()
