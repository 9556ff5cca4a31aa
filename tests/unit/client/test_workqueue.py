"""The queue of keys, and the loop that works on it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from podyard.api.errors import service_unavailable, status_error
from podyard.client.controller import UNREACHABLE_DELAY_SECONDS, run_workers
from podyard.client.workqueue import BASE_DELAY_SECONDS, MAX_DELAY_SECONDS, WorkQueue
from podyard.process.clock import FakeClock


async def drain(queue: WorkQueue[str]) -> list[str]:
    """All keys that are ready, each done at once."""
    taken = []
    while len(queue):
        key = await queue.get()
        taken.append(key)
        queue.done(key)
    return taken


async def turn() -> None:
    """Let everything that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_key_waits_once() -> None:
    queue: WorkQueue[str] = WorkQueue(FakeClock())
    for key in ("a", "b", "a"):
        queue.add(key)
    assert await drain(queue) == ["a", "b"]


async def test_a_key_that_is_worked_on_comes_back_after_done() -> None:
    queue: WorkQueue[str] = WorkQueue(FakeClock())
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0, "never twice at a time"
    queue.done(key)
    assert await drain(queue) == ["a"]


async def test_get_waits() -> None:
    queue: WorkQueue[str] = WorkQueue(FakeClock())
    waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")
    assert sorted(await asyncio.wait_for(asyncio.gather(*waiting), 20)) == ["a", "b"]


async def test_of_two_delays_the_shorter_counts() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 20)
    clock.advance(2.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert await drain(queue) == ["a"]
    clock.advance(60)
    assert len(queue) == 0


async def test_back_off_doubles_up_to_a_limit_and_is_forgotten() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)

    async def delay(at_most: float = MAX_DELAY_SECONDS) -> float:
        began = clock.now()
        queue.add_rate_limited("a", at_most)
        while not len(queue):
            clock.advance(BASE_DELAY_SECONDS)
        await drain(queue)
        return clock.now() - began

    delays = [await delay() for _ in range(3)]
    assert delays == pytest.approx([BASE_DELAY_SECONDS * factor for factor in (1, 2, 4)], abs=1e-5)
    for _ in range(5):
        await delay()
    assert await delay(0.5) == pytest.approx(0.5, abs=BASE_DELAY_SECONDS)
    queue.forget("a")
    assert await delay() == pytest.approx(BASE_DELAY_SECONDS, abs=1e-5)


@pytest.mark.parametrize(
    ("error", "longest", "logged"),
    [
        (service_unavailable("away"), UNREACHABLE_DELAY_SECONDS, False),
        (status_error(409, "Conflict", "changed"), MAX_DELAY_SECONDS, False),
        (status_error(422, "Invalid", "bad field"), MAX_DELAY_SECONDS, True),
        (RuntimeError("bug"), MAX_DELAY_SECONDS, True),
    ],
)
async def test_a_failing_sync_is_tried_again(
    error: Exception, longest: float, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    synced = 0

    async def sync(key: str) -> None:
        nonlocal synced
        synced += 1
        raise error

    task = asyncio.create_task(run_workers("test", queue, sync))
    queue.add("a")
    await turn()
    for _ in range(20):  # far beyond the point where the delay grows no more
        clock.advance(longest)
        await turn()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert synced == 21
    assert bool(caplog.records) is logged
