"""Watches: lines of events, and how they end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from podyard.api.errors import bad_request, expired
from podyard.api.resources import CONFIGMAPS
from podyard.apiserver.app import make_app
from podyard.apiserver.context import RestConfig
from podyard.apiserver.registry import Event, User
from podyard.apiserver.serving import serve
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import ADDRESS, rest_server

MAPS = "/api/v1/namespaces/ns/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def event(registry: MemoryRegistry, kind: str, name: str) -> Event:
    stored = registry.put(CONFIGMAPS, {"metadata": {"name": name, "namespace": "ns"}})
    return Event(kind, stored.resource_version, stored.data)


async def line(response: aiohttp.ClientResponse) -> Any:
    return orjson.loads(await response.content.readline())


async def test_events_are_passed_on_as_they_are(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        query = "?watch=true&resourceVersion=5&allowWatchBookmarks=true&timeoutSeconds=9&labelSelector=a"
        async with server.client.get(MAPS + query) as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            for kind in ("ADDED", "MODIFIED", "DELETED"):
                sent = event(registry, kind, "a")
                registry.watches[0].queue.put_nowait(sent)
                expected = b'{"type":"%b","object":%b}\n' % (kind.encode(), sent.data)
                assert await response.content.readline() == expected
            registry.watches[0].queue.put_nowait(None)
            assert await response.content.read() == b""
    arguments = registry.calls[0][1]
    assert arguments["resource_version"] == "5"
    assert arguments["bookmarks"] is True
    assert arguments["timeout_seconds"] == 9
    assert arguments["label_selector"] == "a"
    assert registry.watches[0].closed.is_set()


async def test_events_are_the_messages_of_a_websocket(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        for protocols in ((), ("base64.binary.k8s.io",)):
            async with server.client.ws_connect(f"{MAPS}?watch=true", protocols=protocols) as socket:
                assert socket.protocol == (protocols[0] if protocols else None)
                for kind in ("ADDED", "DELETED"):
                    sent = event(registry, kind, "a")
                    registry.watches[-1].queue.put_nowait(sent)
                    told = orjson.loads(await socket.receive_str())
                    assert told == {"type": kind, "object": orjson.loads(sent.data)}
            async with asyncio.timeout(20):
                await registry.watches[-1].closed.wait()  # the client has closed it
        async with server.client.ws_connect(f"{MAPS}?watch=true") as socket:
            registry.watches[-1].queue.put_nowait(None)
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1000


async def test_a_websocket_of_another_protocol_is_refused(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "mine"}
    async with rest_server(registry, tmp_path) as server:
        code, status = await server.json("GET", f"{MAPS}?watch=true", headers=headers)
        assert code == 403
        supported = "client supports [mine], server accepts [binary.k8s.io base64.binary.k8s.io]"
        assert supported in status["message"]
        assert registry.watches[-1].closed.is_set()


async def test_the_answer_begins_before_the_first_event(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        async with asyncio.timeout(20), server.client.get(f"{MAPS}?watch=1") as response:
            assert response.status == 200
        assert 1800 <= registry.calls[0][1]["timeout_seconds"] <= 3600


async def test_one_object_is_watched_by_its_name(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server, server.client.get(f"{MAPS}/a?watch=true"):
        pass
    assert registry.calls[0][1]["field_selector"] == "metadata.name=a"


async def test_too_old_is_an_event_and_bad_is_a_status(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        registry.refuse = expired("too old resource version: 1 (9)")
        async with server.client.get(f"{MAPS}?watch=true&resourceVersion=1") as response:
            assert response.status == 200
            got = await line(response)
            assert (got["type"], got["object"]["code"], got["object"]["reason"]) == ("ERROR", 410, "Expired")
            assert await response.content.read() == b""
        registry.refuse = bad_request("no such selector")
        code, status = await server.json("GET", f"{MAPS}?watch=true")
        assert (code, status["message"]) == (400, "no such selector")


async def test_an_error_on_the_way_ends_the_watch(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with (
        rest_server(registry, tmp_path) as server,
        server.client.get(f"{MAPS}?watch=true") as response,
    ):
        registry.watches[0].queue.put_nowait(expired("compacted"))
        assert (await line(response))["object"]["message"] == "compacted"
        assert await response.content.read() == b""


async def test_tables_state_their_columns_once(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with (
        rest_server(registry, tmp_path) as server,
        server.client.get(f"{MAPS}?watch=true", headers=TABLE) as response,
    ):
        for name in ("a", "b"):
            registry.watches[0].queue.put_nowait(event(registry, "ADDED", name))
        first, second = await line(response), await line(response)
    assert first["object"]["kind"] == "Table"
    assert first["object"]["columnDefinitions"][0]["name"] == "Name"
    assert first["object"]["rows"][0]["cells"][0] == "a"
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "b"


async def test_a_client_that_goes_away_ends_the_watch(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        response = await server.client.get(f"{MAPS}?watch=true")
        response.close()
        async with asyncio.timeout(20):
            await registry.watches[0].closed.wait()


class Everybody:
    """Takes everybody for the same user."""

    def authenticate(self, request: web.Request) -> User | None:
        return User("somebody")


async def test_a_server_that_stops_ends_watches_cleanly() -> None:
    registry = MemoryRegistry()
    config = RestConfig(authenticators=[Everybody()])
    runner = await serve(make_app(registry, config), ADDRESS, 0, None)
    url = f"http://{ADDRESS}:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(url) as session, session.get(f"{MAPS}?watch=true") as response:
        async with asyncio.timeout(20):
            await runner.cleanup()
            assert await response.content.read() == b""
    assert registry.watches[0].closed.is_set()
