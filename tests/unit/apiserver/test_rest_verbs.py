"""REST verbs: what reaches the registry, and what comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
import yaml

from podyard.api.resources import CONFIGMAPS, PODS
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import rest_server

MAPS = "/api/v1/namespaces/ns/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "ns", "labels": {"name": name}}, "data": data}


async def test_create_get_update_delete(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        code, created = await server.json("POST", MAPS, json=config_map("a", x="1"))
        assert (code, created["kind"], created["apiVersion"]) == (201, "ConfigMap", "v1")
        code, again = await server.json("POST", MAPS, json=config_map("a"))
        assert (code, again["reason"]) == (409, "AlreadyExists")
        assert await server.json("GET", f"{MAPS}/a") == (200, created)
        code, updated = await server.json("PUT", f"{MAPS}/a", json=config_map("a", x="2"))
        assert (code, updated["data"]) == (200, {"x": "2"})
        code, fresh = await server.json("PUT", f"{MAPS}/b", json=config_map("b"))
        assert (code, fresh["metadata"]["name"]) == (201, "b")
        code, status = await server.json("DELETE", f"{MAPS}/a")
        assert (code, status["status"]) == (200, "Success")
        code, status = await server.json("GET", f"{MAPS}/a")
        assert (code, status["message"]) == (404, 'configmaps "a" not found')


async def test_yaml_in_and_out(tmp_path: Path) -> None:
    body = "metadata: {name: a}\ndata: {day: 2026-01-02, big: '1'}\n"
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
        async with server.client.post(MAPS, data=body, headers=headers) as response:
            assert response.status == 201
            assert response.content_type == "application/yaml"
            created = yaml.safe_load(await response.text())
    assert created["data"]["day"] == "2026-01-02"


async def test_write_options(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        query = "?dryRun=All&fieldValidation=Strict"
        await server.json("POST", MAPS + query, json=config_map("a"))
        options = registry.options
        assert options is not None
        assert (options.dry_run, options.field_validation) == (True, "Strict")
        await server.json("POST", MAPS, json=config_map("b"))
        options = registry.options
        assert options is not None
        assert (options.dry_run, options.field_validation) == (False, "Warn")


async def test_delete_options_come_in_body_or_query(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.put(CONFIGMAPS, config_map("a"))
    registry.put(CONFIGMAPS, config_map("b"))
    async with rest_server(registry, tmp_path) as server:
        body = {"propagationPolicy": "Foreground", "gracePeriodSeconds": 0, "dryRun": ["All"]}
        await server.json("DELETE", f"{MAPS}/a", json=body)
        assert registry.calls[-1][1]["delete_options"] == body
        assert registry.options is not None
        assert registry.options.dry_run
        await server.json("DELETE", f"{MAPS}/b?gracePeriodSeconds=3&propagationPolicy=Orphan")
        expected = {"gracePeriodSeconds": 3, "propagationPolicy": "Orphan"}
        assert registry.calls[-1][1]["delete_options"] == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"gracePeriodSeconds": "5"}, "cannot unmarshal string into Go struct field"),
        ({"preconditions": "x"}, "DeleteOptions.preconditions"),
        ({"propagationPolicy": []}, "DeleteOptions.propagationPolicy"),
        ([], "not a DeleteOptions object"),
    ],
)
async def test_delete_options_of_a_wrong_type(tmp_path: Path, body: object, message: str) -> None:
    registry = MemoryRegistry()
    registry.put(CONFIGMAPS, config_map("a"))
    async with rest_server(registry, tmp_path) as server:
        code, answer = await server.json("DELETE", f"{MAPS}/a", json=body)
    assert code == 400
    assert message in answer["message"]
    assert registry.calls == []


@pytest.mark.parametrize(("limit", "message"), [("x", "invalid syntax"), ("9" * 30, "value out of range")])
async def test_a_limit_that_is_none(tmp_path: Path, limit: str, message: str) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        code, answer = await server.json("GET", f"{MAPS}?limit={limit}")
    assert (code, answer["message"]) == (400, f'strconv.ParseInt: parsing "{limit}": {message}')


async def test_delete_collection_and_list_pass_their_selectors(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        query = "?labelSelector=a%3Db&fieldSelector=metadata.name%3Dx"
        await server.json("DELETE", MAPS + query)
        assert registry.calls[-1][0] == "delete_collection"
        assert registry.calls[-1][1]["label_selector"] == "a=b"
        assert registry.calls[-1][1]["field_selector"] == "metadata.name=x"
        await server.json("GET", f"{MAPS}{query}&resourceVersion=7&resourceVersionMatch=Exact&continue=c")
        arguments = registry.calls[-1][1]
        assert arguments["resource_version"] == "7"
        assert arguments["resource_version_match"] == "Exact"
        assert arguments["continue_token"] == "c"


async def test_lists_join_the_stored_bytes(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    stored = [registry.put(CONFIGMAPS, config_map(name)) for name in ("a", "b", "c")]
    async with rest_server(registry, tmp_path) as server:
        async with server.client.get(MAPS) as response:
            body = await response.read()
        assert b",".join(s.data for s in stored) in body
        listed = orjson.loads(body)
        assert (listed["kind"], listed["apiVersion"], listed["metadata"]) == (
            "ConfigMapList",
            "v1",
            {"resourceVersion": "4"},
        )
        _, some = await server.json("GET", f"{MAPS}?limit=2")
        assert [item["metadata"]["name"] for item in some["items"]] == ["a", "b"]
        assert some["metadata"] == {"resourceVersion": "4", "continue": "more", "remainingItemCount": 1}


async def test_shapes(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.put(CONFIGMAPS, config_map("a", x="1"))
    async with rest_server(registry, tmp_path) as server:
        _, table = await server.json("GET", MAPS, headers=TABLE)
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert table["rows"][0]["cells"][:2] == ["a", 1]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        _, table = await server.json("GET", f"{MAPS}?includeObject=Object", headers=TABLE)
        assert table["rows"][0]["object"]["data"] == {"x": "1"}
        _, table = await server.json("GET", f"{MAPS}/a?includeObject=None", headers=TABLE)
        assert "object" not in table["rows"][0]
        partial = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
        _, listed = await server.json("GET", MAPS, headers=partial)
        assert listed["kind"] == "PartialObjectMetadataList"
        assert "data" not in listed["items"][0]
        assert listed["items"][0]["metadata"]["name"] == "a"


async def test_patch_passes_bytes_and_content_type(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.put(PODS, {"metadata": {"name": "p", "namespace": "ns"}})
    async with rest_server(registry, tmp_path) as server:
        headers = {"Content-Type": "application/json-patch+json"}
        path = "/api/v1/namespaces/ns/pods/p/status"
        code, _ = await server.json("PATCH", path, data=b"[ ]", headers=headers)
    assert code == 200
    verb, arguments = registry.calls[-1]
    assert (verb, arguments["patch"], arguments["subresource"]) == ("patch", b"[ ]", "status")
    assert arguments["content_type"] == "application/json-patch+json"


async def test_posts_to_sub_resources_are_of_their_own_kind(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        pod = "/api/v1/namespaces/ns/pods/p"
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
        code, _ = await server.json("POST", f"{pod}/binding", json=binding)
        assert code == 201
        assert registry.calls[-1][1]["name"] == "p"
        assert registry.calls[-1][1]["subresource"] == "binding"
        eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}
        code, _ = await server.json("POST", f"{pod}/eviction", json=eviction)
        assert code == 201
        code, _ = await server.json("POST", f"{pod}/eviction", json={"kind": "Pod", "apiVersion": "v1"})
        assert code == 400


async def test_people_are_answered_indented(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.put(CONFIGMAPS, config_map("a"))
    async with rest_server(registry, tmp_path) as server:
        for query, headers, indented in (
            ("", {}, False),
            ("", {"User-Agent": "curl/7.88.1"}, True),
            ("?pretty=false", {"User-Agent": "curl/7.88.1"}, False),
            ("?pretty=true", {}, True),
        ):
            async with server.client.get(f"{MAPS}/a{query}", headers=headers) as response:
                assert ("\n  " in await response.text()) is indented


async def test_a_write_is_finished_when_its_client_goes_away(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.gate = asyncio.Event()
    async with rest_server(registry, tmp_path) as server:
        request = asyncio.create_task(server.json("POST", MAPS, json=config_map("a")))
        await registry.entered.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        registry.gate.set()
        code, _ = await server.json("GET", f"{MAPS}/a")
        assert code == 200
