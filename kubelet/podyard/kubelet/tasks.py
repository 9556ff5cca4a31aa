"""Named tasks beside a loop that must not wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

LAST_SECONDS = 1.0

logger = logging.getLogger("kubelet")


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for short work that must not be left half done: a cancellation is raised once it has ended.

    Work that takes longer than a second then is cancelled after all.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=LAST_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


class Tasks:
    """Runs at most one task of a name; calls `finished` whenever one has ended.

    A task that raises is logged: what it should have done is seen to be missing and tried again.
    """

    def __init__(self, finished: Callable[[], None]) -> None:
        self._finished = finished
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin `work`. The caller has made sure that no task of this name runs."""
        task = asyncio.create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._end(name, done))

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def names(self) -> frozenset[str]:
        """The names of the tasks that run."""
        return frozenset(self._tasks)

    async def cancel(self) -> None:
        """End all of them, and wait until they have."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", name, exc_info=error)
        self._finished()
