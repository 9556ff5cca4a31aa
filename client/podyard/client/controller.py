"""The loop of every controller: take a key, sync it, try again later when that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter, Histogram

from podyard.api.errors import StatusError
from podyard.client.workqueue import WorkQueue

K = TypeVar("K", bound=tuple[str, ...] | str)

WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds",
    "How long one sync of a key takes.",
    ["name"],
    buckets=(0.001, 0.01, 0.1, 1, 10),
)
RETRIES = Counter("workqueue_retries_total", "Syncs that failed and are tried again.", ["name"])

UNREACHABLE_DELAY_SECONDS = 1.0
"""The longest wait for another try while the apiserver is away: it comes back within seconds."""


async def run_workers(
    name: str, queue: WorkQueue[K], sync: Callable[[K], Awaitable[None]], workers: int = 4
) -> None:
    """Sync keys of `queue` for ever, `workers` at a time.

    A sync that raises is logged and comes back with back-off. A conflict (409) or an apiserver
    that is away (503) is ordinary, and logged for debugging only. An object that went away while
    it was synced (404) is ordinary too.
    """
    logger = logging.getLogger(name)
    seconds, retries = WORK_SECONDS.labels(name), RETRIES.labels(name)

    async def work() -> None:
        while True:
            key = await queue.get()
            try:
                with seconds.time():
                    await sync(key)
            except StatusError as error:
                level = logging.DEBUG if error.code in (404, 409, 503) else logging.WARNING
                logger.log(level, "sync of %s: %s", key, error)
                retries.inc()
                if error.code == 503:
                    queue.add_rate_limited(key, UNREACHABLE_DELAY_SECONDS)
                else:
                    queue.add_rate_limited(key)
            except Exception:
                logger.exception("sync of %s", key)
                retries.inc()
                queue.add_rate_limited(key)
            else:
                queue.forget(key)
            finally:
                queue.done(key)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
