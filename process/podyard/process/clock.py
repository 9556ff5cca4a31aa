"""Time as a value that is passed in, so that a test can move it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class TimerHandle(Protocol):
    """A call that waits for its time."""

    def cancel(self) -> None:
        """Forget the call."""


class Clock(Protocol):
    """What code that waits or looks at the time is given."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` once, `seconds` from now, in the running event loop."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class RealClock:
    """The clock on the wall and the event loop's timers."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` once, `seconds` from now, in the running event loop."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that stands still until a test calls `advance`."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._timers: list[_FakeTimer] = []

    def now(self) -> float:
        """Seconds since the epoch, as the test has set them."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` when `advance` reaches its time."""
        timer = _FakeTimer(self._now + seconds, callback)
        self._timers.append(timer)
        return timer

    async def sleep(self, seconds: float) -> None:
        """Return when `advance` has moved this far."""
        reached = asyncio.Event()
        timer = self.call_later(seconds, reached.set)
        try:
            await reached.wait()
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move on, and fire what is due, in order."""
        end = self._now + seconds
        while due := [t for t in self._timers if not t.cancelled and t.when <= end]:
            timer = min(due, key=lambda t: t.when)
            self._timers.remove(timer)
            self._now = max(self._now, timer.when)
            timer.callback()
        self._now = end


class _FakeTimer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
