"""Work that must not be left half done."""

from __future__ import annotations

import asyncio

import pytest

from podyard.kubelet import tasks
from podyard.kubelet.tasks import to_the_end


class Work:
    """Begins, waits until it is allowed to go on, and is done."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.done = False

    async def run(self) -> None:
        self.begun.set()
        await self.may_end.wait()
        self.done = True


async def test_a_cancellation_waits_for_the_end() -> None:
    work = Work()
    task = asyncio.create_task(to_the_end(work.run()))
    await work.begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(work.may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.done


async def test_work_that_never_ends_is_cancelled_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LAST_SECONDS", 0.01)
    work = Work()
    task = asyncio.create_task(to_the_end(work.run()))
    await work.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == 1, "nothing of it is left"


async def test_a_failure_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await to_the_end(fail())
