"""Order and retries of pods that wait, and the cache of those that are placed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podyard.process.clock import FakeClock
from podyard.scheduler.cache import Cache
from podyard.scheduler.queue import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, SchedulingQueue


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec}


async def popped(queue: SchedulingQueue) -> str:
    taken = await asyncio.wait_for(queue.pop(), 20)
    return str(taken["metadata"]["name"])


async def is_empty(queue: SchedulingQueue) -> bool:
    task = asyncio.create_task(queue.pop())
    await asyncio.sleep(0)
    done = task.done()
    task.cancel()
    return not done


async def test_priority_then_arrival() -> None:
    queue = SchedulingQueue(FakeClock())
    for waiting in (pod("first"), pod("second", priority=0), pod("urgent", priority=1000)):
        queue.add(waiting)
    assert [await popped(queue) for _ in range(3)] == ["urgent", "first", "second"]


async def test_a_removed_pod_is_not_given_out() -> None:
    queue = SchedulingQueue(FakeClock())
    queue.add(pod("a"))
    queue.remove("a")
    assert await is_empty(queue)


async def test_an_unschedulable_pod_waits_for_a_change_and_the_back_off() -> None:
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("a"))
    delay = FIRST_BACKOFF_SECONDS
    for _ in range(12):
        await popped(queue)
        queue.failed("a")
        clock.advance(0.001)
        assert await is_empty(queue)
        queue.cluster_changed()
        assert await is_empty(queue)
        clock.advance(delay)
        delay = min(delay * 2, MAX_BACKOFF_SECONDS)
        queue.cluster_changed()
    assert await popped(queue) == "a"


async def test_a_change_after_the_back_off_is_acted_on_at_once() -> None:
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("a"))
    await popped(queue)
    queue.failed("a")
    clock.advance(60)
    assert await is_empty(queue)
    queue.cluster_changed()
    assert await popped(queue) == "a"


@pytest.mark.parametrize(("changed", "retried"), [({"nodeSelector": {"a": "b"}}, True), ({}, False)])
async def test_only_a_change_of_the_pods_spec_brings_it_back(changed: dict[str, Any], retried: bool) -> None:
    queue = SchedulingQueue(FakeClock())
    queue.add(pod("a"))
    await popped(queue)
    queue.failed("a")
    queue.add({**pod("a", **changed), "status": {"conditions": []}})
    assert await is_empty(queue) is not retried


async def test_retry_needs_no_change() -> None:
    clock = FakeClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("a"))
    await popped(queue)
    queue.retry("a")
    clock.advance(FIRST_BACKOFF_SECONDS)
    assert await popped(queue) == "a"


def requesting(name: str, node: str = "", cpu: str = "1") -> dict[str, Any]:
    made = pod(name, containers=[{"resources": {"requests": {"cpu": cpu}}}])
    if node:
        made["spec"]["nodeName"] = node
    return made


def cpu_on(cache: Cache) -> dict[str, int]:
    return {info.name: info.requested.get("cpu", 0) for info in cache.nodes()}


def test_an_assumed_pod_counts_until_its_binding_fails() -> None:
    cache = Cache()
    cache.set_node("n1", {"metadata": {"name": "n1"}})
    cache.assume(requesting("a"), "n1")
    assert (cpu_on(cache), cache.is_assumed("a")) == ({"n1": 1000}, True)
    cache.forget("a")
    assert (cpu_on(cache), cache.is_assumed("a")) == ({"n1": 0}, False)


def test_the_informer_confirms_an_assumed_pod() -> None:
    cache = Cache()
    for name in ("n1", "n2"):
        cache.set_node(name, {"metadata": {"name": name}})
    cache.assume(requesting("a"), "n1")
    cache.put(requesting("a", "n2"))
    assert cpu_on(cache) == {"n1": 0, "n2": 1000}
    cache.forget("a")
    assert cpu_on(cache) == {"n1": 0, "n2": 1000}
    cache.put(requesting("a", "n2", cpu="2"))
    assert cpu_on(cache)["n2"] == 2000
    cache.remove("a")
    assert cpu_on(cache)["n2"] == 0


def test_pods_may_be_known_before_their_node() -> None:
    cache = Cache()
    cache.put(requesting("a", "n1"))
    assert cache.nodes() == []
    cache.set_node("n1", {"metadata": {"name": "n1"}})
    assert cpu_on(cache) == {"n1": 1000}
    cache.set_node("n1", None)
    assert cache.nodes() == []
