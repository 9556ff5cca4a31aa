"""Requests that last: watches, exec, attach, logs that are followed. They end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class LongRunning:
    """Knows the running ones."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopping = False

    @contextmanager
    def track(self) -> Iterator[None]:
        """What the current task does in here ends quietly when the server stops.

        It is still cancelled, loudly, when its client goes away.
        """
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
        finally:
            self._tasks.discard(task)

    async def stop(self) -> None:
        """End them all."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
