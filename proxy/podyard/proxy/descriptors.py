"""How many descriptors connections may use: accepting waits when they are used up.

A client that waits in the kernel's accept queue is served later; one that is accepted without a
descriptor left for its backend can only be cut off. So what a connection needs is reserved before
it is accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from podyard.proxy.poller import Timers

HEADROOM = 128
"""Kept for the event loop, gRPC, log files and the like."""

RETRY_SECONDS = 0.1

logger = logging.getLogger("proxy")


class Descriptors:
    """Counts descriptors; those who found none are called when there are some again."""

    def __init__(self, limit: int, clock: Timers) -> None:
        self._free = max(limit - HEADROOM, 4)
        self._clock = clock
        self._waiting: list[Callable[[], None]] = []
        self._retrying = False
        self.pauses = 0
        """How often accepting has paused."""

    def take(self, number: int) -> bool:
        """Reserve `number` descriptors, or say that there are too few."""
        if self._free < number:
            return False
        self._free -= number
        return True

    def give(self, number: int) -> None:
        """Return what was taken."""
        self._free += number
        if self._waiting and not self._retrying:
            self._retry()

    @property
    def paused(self) -> bool:
        """Whether accepting waits now."""
        return bool(self._waiting)

    def reserve(self) -> None:
        """Count one that is open anyway, a listener's."""
        self._free -= 1

    def wait(self, resume: Callable[[], None]) -> None:
        """Call `resume` once, when it is worth another try: soon after descriptors came back.

        The kernel may have run out although our own count has not (ENFILE, ENOBUFS, ENOMEM), so
        there is a try every RETRY_SECONDS at the latest.
        """
        if not self._waiting:
            self.pauses += 1
            logger.warning("descriptors are used up: accepting waits until connections end")
        self._waiting.append(resume)
        self._retry()

    def _retry(self) -> None:
        if not self._retrying:
            self._retrying = True
            self._clock.call_later(RETRY_SECONDS, self._resume)

    def _resume(self) -> None:
        self._retrying = False
        if self._free < 2:
            self._retry()
            return
        waiting, self._waiting = self._waiting, []
        logger.info("accepting again")
        for resume in waiting:
            resume()
