"""Informers: they follow, survive, index, and let a controller wait for its own writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from podyard.api.resources import PODS, SERVICES
from podyard.client.client import Client, Object
from podyard.client.factory import InformerFactory
from podyard.client.informer import Informer
from podyard.process.clock import FakeClock
from tests.unit.client.fakes import FakeClient


async def turn() -> None:
    """Let everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def make(server: FakeClient, **options: Any) -> tuple[Informer, FakeClock, list[tuple[str, str]]]:
    clock = FakeClock()
    informer = Informer(cast(Client, server), PODS, clock=clock, **options)
    seen: list[tuple[str, str]] = []

    def handler(old: Object | None, new: Object | None) -> None:
        verb = "add" if old is None else "delete" if new is None else "update"
        seen.append((verb, (new or old or {})["metadata"]["name"]))

    informer.add_handler(handler)
    return informer, clock, seen


async def test_lists_then_follows() -> None:
    server = FakeClient()
    server.put("a")
    informer, _, seen = make(server)
    async with running(informer):
        await informer.synced()
        server.put("b")
        server.put("a", spec={})
        server.remove("b")
        await turn()
    assert seen == [("add", "a"), ("add", "b"), ("update", "a"), ("delete", "b")]
    assert [obj["metadata"]["name"] for obj in informer.list()] == ["a"]
    assert informer.get("default", "a") == server.objects["a"]
    assert informer.list("elsewhere") == []
    assert server.lists == 1


async def test_catches_up_after_the_apiserver_was_away() -> None:
    server = FakeClient()
    for name in ("kept", "changed", "gone"):
        server.put(name)
    informer, clock, seen = make(server)
    async with running(informer):
        await informer.synced()
        seen.clear()
        server.go_away()
        await turn()
        server.put("changed", spec={})
        server.put("new")
        server.remove("gone")
        for _ in range(5):
            clock.advance(1)
            await turn()
        assert seen == [], "while it is away the copy stays as it was"
        assert server.lists > 3
        server.come_back()
        clock.advance(1)
        await turn()
    assert sorted(seen) == [("add", "new"), ("delete", "gone"), ("update", "changed")]


async def test_retries_at_least_every_second() -> None:
    server = FakeClient()
    server.away = True
    informer, clock, _ = make(server)
    async with running(informer):
        await turn()
        clock.advance(0.05 + 0.1 + 0.2 + 0.4 + 0.8)
        for _ in range(5):
            await turn()
            clock.advance(1)
        before = server.lists
        await turn()
        clock.advance(1)
        await turn()
        assert server.lists > before


async def test_a_handler_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeClient()
    informer = Informer(cast(Client, server), PODS, clock=FakeClock())
    seen: list[str] = []

    def broken(old: Object | None, new: Object | None) -> None:
        raise RuntimeError("broken handler")

    informer.add_handler(broken)
    informer.add_handler(lambda old, new: seen.append("called"))
    async with running(informer):
        await informer.synced()
        server.put("a")
        await turn()
    assert seen == ["called"]
    assert "broken handler" in caplog.text


async def test_index() -> None:
    server = FakeClient()
    server.put("a", spec={"nodeName": "n1"})
    informer, _, _ = make(server)
    async with running(informer):
        await informer.synced()
        # An index may come late; it knows what is there already.
        informer.add_index("node", lambda obj: [obj["spec"]["nodeName"]])
        server.put("b", spec={"nodeName": "n1"})
        server.put("a", spec={"nodeName": "n2"})
        await turn()
        assert [obj["metadata"]["name"] for obj in informer.by_index("node", "n1")] == ["b"]
        assert [obj["metadata"]["name"] for obj in informer.by_index("node", "n2")] == ["a"]
        server.remove("b")
        await turn()
        assert informer.by_index("node", "n1") == []


async def test_a_late_handler_is_told_what_is_there() -> None:
    server = FakeClient()
    server.put("a")
    informer, _, _ = make(server)
    async with running(informer):
        await informer.synced()
        late: list[str] = []
        informer.add_handler(lambda old, new: late.append((new or {})["metadata"]["name"]))
        assert late == ["a"]


async def test_saw_waits_for_a_write() -> None:
    server = FakeClient()
    informer, _, _ = make(server)
    async with running(informer):
        await informer.synced()
        written = server.put("a")
        assert informer.get("default", "a") is None
        await asyncio.wait_for(informer.saw(written), 20)
        assert informer.get("default", "a") == written


async def test_saw_ends_with_a_bookmark_or_a_new_list() -> None:
    server = FakeClient()
    informer, clock, _ = make(server)
    async with running(informer):
        await informer.synced()
        future = {"metadata": {"resourceVersion": str(server.version + 1)}}
        waiting = asyncio.create_task(informer.saw(future))
        await turn()
        assert not waiting.done()
        server.version += 1
        server.bookmark()
        await asyncio.wait_for(waiting, 20)
        # A server that has lost its history counts anew; the next list says all there is.
        waiting = asyncio.create_task(informer.saw({"metadata": {"resourceVersion": "999999"}}))
        await turn()
        server.go_away()
        await turn()
        server.come_back()
        clock.advance(1)
        await asyncio.wait_for(waiting, 20)


@pytest.mark.parametrize("graceful", [True, False])
async def test_saw_deletion(graceful: bool) -> None:
    server = FakeClient()
    server.put("a")
    informer, _, _ = make(server)
    async with running(informer):
        await informer.synced()
        pod = informer.get("default", "a")
        assert pod is not None
        waiting = asyncio.create_task(informer.saw_deletion(pod))
        await turn()
        assert not waiting.done()
        if graceful:
            server.put("a", metadata={"deletionTimestamp": "2027-01-01T00:00:00Z"})
        else:
            server.remove("a")
        await asyncio.wait_for(waiting, 20)


async def test_the_factory_shares_informers() -> None:
    server = FakeClient()
    server.put("a", metadata={"ownerReferences": [{"uid": "x"}], "labels": {"big": "label"}}, spec={"x": 1})
    factory = InformerFactory(cast(Client, server), FakeClock())
    pods = factory.informer(PODS)
    assert factory.informer(PODS) is pods
    assert factory.informer(PODS, field_selector="metadata.name=a") is not pods
    assert factory.metadata(PODS) is pods, "whoever needs metadata alone takes the whole one if it is there"
    task = asyncio.create_task(factory.run())
    try:
        await asyncio.wait_for(factory.synced(), 20)
        slim = factory.metadata(SERVICES)  # starts at once, though `run` is under way
        await asyncio.wait_for(slim.synced(), 20)
        assert slim.get("default", "a") == {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "a",
                "namespace": "default",
                "uid": "uid-a",
                "resourceVersion": "11",
                "ownerReferences": [{"uid": "x"}],
            },
        }
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
