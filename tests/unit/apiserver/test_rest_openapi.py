"""The OpenAPI documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import hdrs

from podyard.api.resources import RESOURCES
from podyard.apiserver.openapi import gnostic, v2, v3
from podyard.apiserver.protobuf.wire import fields
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import rest_server


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.mark.parametrize("path", v3.document_paths())
def test_v3_documents_are_whole(path: str) -> None:
    document = v3.document(path)
    schemas = document["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= set(schemas)
    kinds = {
        gvk["kind"]
        for schema in schemas.values()
        for gvk in schema.get("x-kubernetes-group-version-kind", [])
    }
    assert {r.kind for r in RESOURCES if v3.path_of(r) == path} <= kinds


def test_v3_says_what_kubectl_looks_for() -> None:
    document = v3.document("apis/apps/v1")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert {"dryRun", "fieldManager", "fieldValidation"} <= {p["name"] for p in patch["parameters"]}
    assert patch["operationId"] == "patchAppsV1NamespacedDeployment"
    listed = document["paths"]["/apis/apps/v1/deployments"]["get"]
    assert listed["operationId"] == "listAppsV1DeploymentForAllNamespaces"
    spec = document["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]
    assert spec["replicas"]["type"] == "integer"
    assert spec["template"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodTemplateSpec"}]
    deployment = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]["properties"]
    assert "enum" not in deployment["kind"]


def test_v2_is_whole() -> None:
    document = v2.document()
    definitions = document["definitions"]
    assert {ref.removeprefix("#/definitions/") for ref in references(document)} <= set(definitions)
    port = definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert (port["type"], port["format"]) == ("string", "int-or-string")
    containers = definitions["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"


def test_v2_in_protobuf_has_everything() -> None:
    document = v2.document()
    encoded: dict[int, list[Any]] = {}
    for number, value in fields(gnostic.encode(document)):
        encoded.setdefault(number, []).append(value)
    assert encoded[1] == [b"2.0"]
    for number, part, repeated in ((8, "paths", 2), (9, "definitions", 1)):
        names = [dict(fields(item))[1] for kind, item in fields(encoded[number][0]) if kind == repeated]  # type: ignore[arg-type]
        assert names == [name.encode() for name in document[part]]


async def test_v3_is_found_by_its_index_and_kept(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        _, index = await server.json("GET", "/openapi/v3")
        url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        async with server.client.get(url) as response:
            assert response.status == 200
            assert "immutable" in response.headers[hdrs.CACHE_CONTROL]
            assert response.headers[hdrs.CONTENT_ENCODING] == "gzip"
            etag = response.headers[hdrs.ETAG]
            assert (await response.json())["openapi"] == "3.0.0"
        async with server.client.get(url, headers={hdrs.IF_NONE_MATCH: etag}) as response:
            assert response.status == 304
        path = url.partition("?")[0]
        async with server.client.get(f"{path}?hash=OLD", allow_redirects=False) as response:
            assert (response.status, response.headers[hdrs.LOCATION]) == (301, url)
        async with server.client.get(path, headers={hdrs.ACCEPT_ENCODING: "identity"}) as response:
            assert hdrs.CONTENT_ENCODING not in response.headers
            assert (await response.json())["openapi"] == "3.0.0"


@pytest.mark.parametrize(
    ("accept", "code", "content_type"),
    [
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/json"),
        (gnostic.MEDIA_TYPE, 200, gnostic.CONTENT_TYPE),
        ("text/html", 406, "application/json"),
    ],
)
async def test_v2_is_negotiated(tmp_path: Path, accept: str, code: int, content_type: str) -> None:
    async with (
        rest_server(MemoryRegistry(), tmp_path) as server,
        server.client.get("/openapi/v2", headers={"Accept": accept}) as response,
    ):
        assert (response.status, response.headers["Content-Type"]) == (code, content_type)
