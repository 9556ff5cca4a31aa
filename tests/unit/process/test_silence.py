from __future__ import annotations

import asyncio

import pytest

from podyard.process.clock import FakeClock
from podyard.process.silence import STEPS, Silence


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def _step(clock: FakeClock) -> None:
    clock.advance(60 / STEPS)
    for _ in range(3):
        await asyncio.sleep(0)  # who has slept goes on


async def test_it_lasts_when_nothing_is_heard(clock: FakeClock) -> None:
    silence = Silence(60, clock)
    lasting = asyncio.create_task(silence.lasts())
    await asyncio.sleep(0)
    for _ in range(STEPS - 1):
        await _step(clock)
    silence.heard()
    for _ in range(STEPS - 1):
        await _step(clock)
    assert not lasting.done()
    await _step(clock)
    assert lasting.done()


async def test_it_counts_anew_after_it_was_told(clock: FakeClock) -> None:
    silence = Silence(60, clock)
    for _ in range(2):
        lasting = asyncio.create_task(silence.lasts())
        await asyncio.sleep(0)
        for _ in range(STEPS):
            assert not lasting.done()
            await _step(clock)
        assert lasting.done()


async def test_a_suspended_machine_is_one_step(clock: FakeClock) -> None:
    lasting = asyncio.create_task(Silence(60, clock).lasts())
    await asyncio.sleep(0)
    clock.advance(3600)
    for _ in range(STEPS):
        await asyncio.sleep(0)
    assert not lasting.done()
    lasting.cancel()
