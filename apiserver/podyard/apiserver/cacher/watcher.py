"""One reader of a resource's changes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from podyard.apiserver.cacher.change import CachedChange
from podyard.apiserver.cacher.selection import Selection
from podyard.apiserver.registry import Event

QUEUE_LIMIT = 1_000
"""How many events may wait for one reader before it is cut off."""

BOOKMARK_SECONDS = 60.0


class Watcher:
    """See `podyard.apiserver.registry.Watch`. Made and fed by a `ResourceCache`."""

    def __init__(
        self,
        selection: Selection,
        first: Iterable[Event],
        *,
        make_bookmark: Callable[[], Event] | None,
        timeout_seconds: float | None,
        forget: Callable[[Watcher], None],
        queue_limit: int = QUEUE_LIMIT,
        bookmark_seconds: float = BOOKMARK_SECONDS,
    ) -> None:
        self._selection = selection
        self._events = deque(first)
        self._limit = len(self._events) + queue_limit
        self._make_bookmark = make_bookmark
        self._bookmark_seconds = bookmark_seconds
        self._forget = forget
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._bookmark_timer: asyncio.TimerHandle | None = None
        if make_bookmark:
            self._bookmark_timer = self._loop.call_later(bookmark_seconds, self._bookmark)
        self._deadline = (
            self._loop.call_later(timeout_seconds, self._time_out) if timeout_seconds is not None else None
        )

    def offer(self, change: CachedChange) -> None:
        """Take a change in, if it concerns the selection. Too many that wait end the watch."""
        event = change.seen_through(self._selection)
        if event is None:
            return
        if len(self._events) >= self._limit:
            self.end()
            return
        self._push(event)

    def end(self) -> None:
        """Let the reader have what waits, then end."""
        if self._ended:
            return
        self._ended = True
        self._forget(self)
        for timer in (self._bookmark_timer, self._deadline):
            if timer:
                timer.cancel()
        self._wake()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._events.popleft()

    async def aclose(self) -> None:
        """Stop following; what waits is dropped."""
        self._events.clear()
        self.end()

    def _push(self, event: Event) -> None:
        self._events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _bookmark(self) -> None:
        if self._make_bookmark:
            if not self._events:  # a reader with events to read learns the version from these
                self._push(self._make_bookmark())
            self._bookmark_timer = self._loop.call_later(self._bookmark_seconds, self._bookmark)

    def _time_out(self) -> None:
        if self._make_bookmark and not self._events:
            self._push(self._make_bookmark())
        self.end()
