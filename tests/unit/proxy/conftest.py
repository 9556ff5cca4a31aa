from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from podyard.process.clock import FakeClock
from podyard.proxy.counters import ServiceCounters
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.listeners import Runtime
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import Poller

_numbers = itertools.count(1)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the product runs on."""
    return {"uvloop": uvloop.new_event_loop}


def fresh_address() -> str:
    """A loopback address that no other test, and no other run of the tests, uses."""
    return f"127.200.{100 + os.getpid() % 100}.{next(_numbers) % 250 + 1}"


async def turned() -> None:
    """Let the runtime's loop finish what it has begun (it closes descriptors at the end of a turn)."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def address() -> str:
    """Such an address."""
    return fresh_address()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def runtime(clock: FakeClock) -> AsyncIterator[Runtime]:
    """What a worker's main makes; its loop turns between the test's own steps."""
    descriptors = Descriptors(4096, clock)
    made = Runtime(Poller(), PipePool(descriptors), descriptors, ServiceCounters(), clock)

    async def turn() -> None:
        while True:
            made.poller.turn(0)
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    yield made
    turning.cancel()
    made.poller.shut()
    made.pipes.close()
