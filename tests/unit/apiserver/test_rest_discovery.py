"""Discovery, plain and aggregated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import RESOURCES
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import rest_server


def aggregated(version: str) -> dict[str, str]:
    return {"Accept": f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"}


async def test_groups_and_versions(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        _, core = await server.json("GET", "/api")
        assert (core["kind"], core["versions"]) == ("APIVersions", ["v1"])
        _, groups = await server.json("GET", "/apis")
        assert groups["kind"] == "APIGroupList"
        by_name = {group["name"]: group for group in groups["groups"]}
        assert set(by_name) == {r.group for r in RESOURCES if r.group}
        assert by_name["autoscaling"]["preferredVersion"]["groupVersion"] == "autoscaling/v2"
        _, group = await server.json("GET", "/apis/autoscaling")
        assert [v["version"] for v in group["versions"]] == ["v2", "v1"]
        code, _ = await server.json("GET", "/apis/nothing")
        assert code == 404


async def test_resources(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        _, core = await server.json("GET", "/api/v1")
        _, apps = await server.json("GET", "/apis/apps/v1")
    resources = {r["name"]: r for r in core["resources"]}
    assert resources["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
    }
    assert resources["pods/eviction"]["group"] == "policy"
    assert resources["pods/log"]["verbs"] == ["get"]
    scale = next(r for r in apps["resources"] if r["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert scale["verbs"] == ["get", "patch", "update"]


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_aggregated(tmp_path: Path, version: str) -> None:
    found: list[tuple[str, str, str]] = []
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        for path in ("/api", "/apis"):
            async with server.client.get(path, headers=aggregated(version)) as response:
                expected = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                assert response.headers["Content-Type"] == expected
                answer: dict[str, Any] = await response.json(content_type=None)
            assert answer["apiVersion"] == f"apidiscovery.k8s.io/{version}"
            found.extend(
                (group["metadata"].get("name", ""), v["version"], resource["resource"])
                for group in answer["items"]
                for v in group["versions"]
                for resource in v["resources"]
            )
    assert sorted(found) == sorted((r.group, r.version, r.plural) for r in RESOURCES)


async def test_root_lists_the_paths(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        _, root = await server.json("GET", "/")
    assert {"/api/v1", "/apis/apps/v1", "/livez", "/openapi/v3", "/version"} <= set(root["paths"])
