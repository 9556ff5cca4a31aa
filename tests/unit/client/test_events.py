"""Events: written once, then counted, never in anybody's way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from podyard.api.errors import not_found, service_unavailable
from podyard.api.resources import EVENTS
from podyard.client.client import Client
from podyard.client.events import EventRecorder

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
}
NODE: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "uid": "n"}}


class Server:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.away = False

    async def create(self, resource: object, obj: dict[str, Any], namespace: str = "") -> dict[str, Any]:
        if self.away:
            raise service_unavailable("away")
        self.events[obj["metadata"]["name"]] = obj
        return obj

    async def patch(self, resource: object, name: str, namespace: str, patch: dict[str, Any]) -> None:
        if name not in self.events:
            raise not_found(EVENTS, name)
        self.events[name] = {**self.events[name], **patch}


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[tuple[Server, EventRecorder]]:
    server = Server()
    recorder = EventRecorder(cast(Client, server), "kubelet", "node1")
    task = asyncio.create_task(recorder.run())
    try:
        yield server, recorder
    finally:
        task.cancel()


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_event() -> None:
    async with recording() as (server, recorder):
        recorder.event(POD, "Normal", "Pulled", "Image is there", field_path="spec.containers{c}")
        await turn()
    (event,) = server.events.values()
    assert event["metadata"]["namespace"] == "shop"
    assert event["metadata"]["name"].startswith("a.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{c}",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Pulled", "Image is there")
    assert (event["count"], event["source"]) == (1, {"component": "kubelet", "host": "node1"})


async def test_events_of_cluster_scoped_objects_are_in_default() -> None:
    async with recording() as (server, recorder):
        recorder.event(NODE, "Normal", "Starting", "Starting kubelet.")
        await turn()
    (event,) = server.events.values()
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_repetitions_are_counted() -> None:
    async with recording() as (server, recorder):
        for message in ("once", "again", "again", "again"):
            recorder.event(POD, "Warning", "BackOff", message)
        await turn()
    assert {e["message"]: e["count"] for e in server.events.values()} == {"once": 1, "again": 3}


async def test_a_repetition_of_an_event_that_is_gone_makes_a_new_one() -> None:
    async with recording() as (server, recorder):
        recorder.event(POD, "Warning", "BackOff", "again")
        await turn()
        server.events.clear()
        recorder.event(POD, "Warning", "BackOff", "again")
        await turn()
    assert [e["count"] for e in server.events.values()] == [1]


async def test_a_lost_event_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    async with recording() as (server, recorder):
        server.away = True
        recorder.event(POD, "Normal", "Lost", "nobody hears")
        await turn()
        server.away = False
        recorder.event(POD, "Normal", "Heard", "somebody hears")
        await turn()
    assert [e["reason"] for e in server.events.values()] == ["Heard"]
    assert "nobody hears" in caplog.text
