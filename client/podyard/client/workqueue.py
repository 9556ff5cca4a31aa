"""A queue of keys that wait to be synced (k8s.io/client-go/util/workqueue).

A key that is added while it waits is there once; one that is added while it is being worked
on comes back after `done`. So `sync(key)` never runs twice at a time for one key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from podyard.process.clock import Clock, RealClock, TimerHandle

K = TypeVar("K", bound=Hashable)

BASE_DELAY_SECONDS = 0.005
MAX_DELAY_SECONDS = 30.0


class WorkQueue(Generic[K]):
    """Keys to sync, each at most once, with delays and exponential back-off for failures."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()  # in _ready, or to be put there after done()
        self._running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, TimerHandle]] = {}
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Ask for a sync of `key`, as soon as a worker is free."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._running:
            self._ready.append(key)
            self._wakeup.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for a sync `seconds` from now; of two such requests the earlier one counts."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.now() + seconds
        if key in self._timers:
            earlier, timer = self._timers[key]
            if earlier <= when:
                return
            timer.cancel()
        self._timers[key] = (when, self._clock.call_later(seconds, lambda: self._fire(key)))

    def add_rate_limited(self, key: K, at_most: float = MAX_DELAY_SECONDS) -> None:
        """Ask for another try after a failure: 5 ms, doubling each time, up to `at_most` seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(BASE_DELAY_SECONDS * 2 ** min(failures, 20), at_most))

    def forget(self, key: K) -> None:
        """The key went well: its next failure starts at the shortest delay again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and take it. Call `done` with it afterwards."""
        while not self._ready:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        """The key's sync has ended."""
        self._running.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._wakeup.set()

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
