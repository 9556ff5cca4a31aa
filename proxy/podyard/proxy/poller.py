"""The loop of a forwarding process: readiness of many descriptors, edge-triggered, and a few timers.

A loop of its own, not asyncio's, because every microsecond here is added to every piece of data: a
connection is registered once, no call changes interest between reading and writing, and a turn is one
epoll_wait and one call for each descriptor that is ready.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import time
from collections.abc import Callable
from typing import Protocol

Handler = Callable[[int], None]
"""Called with the EPOLL* bits of what has happened."""

EDGES = select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
EDGES_AND_ROOM = EDGES | select.EPOLLOUT
LEVEL_IN = select.EPOLLIN
BATCH = 256
BUSY_TURNS = 8
"""Turns after which what waits for an idle moment waits no longer."""

logger = logging.getLogger("proxy")


class Handle(Protocol):
    """A call that waits for its time."""

    def cancel(self) -> None:
        """Forget the call."""


class Timers(Protocol):
    """What code that looks at the time, or waits without blocking, is given: a Poller, or a test's clock."""

    def now(self) -> float:
        """Seconds since some time in the past."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call `callback` once, `seconds` from now."""


class Poller:
    """Calls handlers when descriptors are ready, and callbacks when their time has come.

    A descriptor that is closed while a batch of events is being worked on could be reused by a
    new connection, which then gets the old one's event. Hence `close`: it forgets the handler at
    once, and closes the descriptor when the batch is through.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._closing: list[int] = []
        self._later: list[Callable[[], None]] = []
        self._idle: list[Callable[[], None]] = []
        self._busy = 0
        self._timers: list[Timer] = []
        self._order = itertools.count()

    def watch(self, descriptor: int, handler: Handler, events: int = EDGES) -> None:
        """Start to watch. Raises OSError when the kernel refuses another watch."""
        self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler

    def handle(self, descriptor: int, handler: Handler) -> None:
        """Let another handler have the events of a descriptor that is watched."""
        self._handlers[descriptor] = handler

    def watch_room(self, descriptor: int) -> None:
        """From now on tell also when the descriptor takes data again; at once, if it does already."""
        self._epoll.modify(descriptor, EDGES_AND_ROOM)

    def forget(self, descriptor: int) -> None:
        """Stop to watch; the descriptor stays open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self, descriptor: int) -> None:
        """Stop to watch, and close the descriptor after the events at hand."""
        self._handlers.pop(descriptor, None)
        self._closing.append(descriptor)

    def again(self, callback: Callable[[], None]) -> None:
        """Call `callback` after the others had their turn: for work that is too long for one."""
        self._later.append(callback)

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call `callback` when nothing else is ready, or BUSY_TURNS later: for what may settle by itself."""
        self._idle.append(callback)

    def now(self) -> float:
        """Seconds, of a clock that nobody sets."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call `callback` once, `seconds` from now."""
        timer = Timer(self.now() + seconds, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def turn(self, longest: float = -1) -> None:
        """Wait for events, `longest` seconds at most (-1: for ever), and handle them."""
        handlers = self._handlers
        ready = self._epoll.poll(self._patience(longest), BATCH)
        for descriptor, events in ready:
            handler = handlers.get(descriptor)
            if handler is not None:
                try:
                    handler(events)
                except Exception:
                    logger.exception("an event was not handled")
        if self._later:
            self._call(self._take(self._later))
        if self._idle:
            self._busy += 1
            if not ready or self._busy > BUSY_TURNS:
                self._busy = 0
                self._call(self._take(self._idle))
        if self._timers:
            self._call(self._take_due())
        if self._closing:
            self._close_all()

    def shut(self) -> None:
        """Close everything that is still watched, and the epoll itself."""
        for descriptor in list(self._handlers):
            self.close(descriptor)
        self._close_all()
        self._epoll.close()

    def _patience(self, longest: float) -> float:
        if self._later or self._idle or self._closing:
            return 0
        if self._timers:
            left = max(self._timers[0].when - self.now(), 0)
            return left if longest < 0 else min(left, longest)
        return longest

    @staticmethod
    def _take(waiting: list[Callable[[], None]]) -> list[Callable[[], None]]:
        taken = waiting[:]
        waiting.clear()
        return taken

    def _take_due(self) -> list[Callable[[], None]]:
        due, now = [], self.now()
        while self._timers and self._timers[0].when <= now:
            due.append(heapq.heappop(self._timers).fire)
        return due

    def _call(self, callbacks: list[Callable[[], None]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("a turn was not handled")

    def _close_all(self) -> None:
        closing, self._closing = self._closing, []
        for descriptor in closing:
            os.close(descriptor)


class Timer:
    """A call that waits for its time."""

    __slots__ = ("_callback", "_order", "when")

    def __init__(self, when: float, order: int, callback: Callable[[], None]) -> None:
        self.when = when
        self._order = order
        self._callback: Callable[[], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return (self.when, self._order) < (other.when, other._order)

    def cancel(self) -> None:
        """Forget the call."""
        self._callback = None

    def fire(self) -> None:
        """Do it, unless it was cancelled."""
        if self._callback is not None:
            self._callback()
