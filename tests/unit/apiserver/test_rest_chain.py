"""The handler chain: who may come in, and what goes wrong in words."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from podyard.api.errors import status_error
from podyard.api.resources import RESOURCES
from podyard.apiserver.authz import Attributes, Decision
from podyard.apiserver.context import RestConfig
from podyard.apiserver.registry import User
from podyard.apiserver.standing_warnings import _WITHOUT_EFFECT
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import rest_server

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize("path", ["/api/v1/pods", "/metrics", "/apis", "/nothing", "/openapi/v2"])
async def test_nobody_gets_nothing(tmp_path: Path, path: str) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server, server.stranger.get(path) as response:
        assert response.status == 401
        status = await response.json()
    assert (status["kind"], status["reason"], status["message"]) == ("Status", "Unauthorized", "Unauthorized")


async def test_health_is_for_everybody(tmp_path: Path) -> None:
    why = ""
    config = RestConfig(ready=lambda: why)
    async with rest_server(MemoryRegistry(), tmp_path, config) as server:
        for path in ("/livez", "/readyz", "/healthz"):
            async with server.stranger.get(path) as response:
                assert (response.status, await response.text()) == (200, "ok")
        async with server.stranger.get("/readyz?verbose") as response:
            assert await response.text() == "[+]ping ok\n[+]storage ok\nreadyz check passed\n"
        async with server.stranger.get("/version") as response:
            assert response.status == 200
        why = "the watch cache is filling"
        async with server.stranger.get("/readyz") as response:
            assert response.status == 503
            assert (
                await response.text()
                == "[+]ping ok\n[-]storage failed: the watch cache is filling\nreadyz check failed\n"
            )
        async with server.stranger.get("/livez") as response:
            assert response.status == 200


async def test_the_certificate_names_the_user(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    async with rest_server(registry, tmp_path) as server:
        await server.json("POST", PODS, json=POD)
    assert registry.options is not None
    assert registry.options.user == User(
        "kubernetes-admin", ("system:masters", "team", "system:authenticated")
    )


async def test_the_authorizer_decides(tmp_path: Path) -> None:
    seen: list[Attributes] = []

    class Never:
        def authorize(self, attributes: Attributes) -> Decision:
            seen.append(attributes)
            return Decision(False, "not on Mondays")

        def rules(self, user: User, namespace: str) -> dict[str, Any]:
            return {}

    async with rest_server(MemoryRegistry(), tmp_path, RestConfig(authorizer=Never())) as server:
        code, status = await server.json("GET", "/apis/apps/v1/namespaces/ns/deployments/d/scale")
        assert (code, status["reason"]) == (403, "Forbidden")
        assert status["message"] == (
            'deployments.apps "d" is forbidden: User "kubernetes-admin" cannot get resource '
            '"deployments/scale" in API group "apps" in the namespace "ns": not on Mondays'
        )
        code, status = await server.json("GET", "/version")
        assert status["message"].startswith('forbidden: User "kubernetes-admin" cannot get path "/version"')
    assert (seen[0].verb, seen[0].resource, seen[0].subresource) == ("get", "deployments", "scale")


@pytest.mark.parametrize(
    ("method", "path", "arguments", "code", "reason"),
    [
        ("GET", "/nothing", {}, 404, "NotFound"),
        ("GET", "/api/v1/nothings", {}, 404, "NotFound"),
        ("POST", "/api", {}, 404, "NotFound"),
        ("PUT", PODS, {}, 405, "MethodNotAllowed"),
        ("GET", PODS, {"headers": {"Accept": "text/html"}}, 406, "NotAcceptable"),
        ("POST", PODS, {"data": b"x", "headers": {"Content-Type": "text/csv"}}, 415, "UnsupportedMediaType"),
        ("POST", PODS, {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "BadRequest"),
        ("POST", PODS, {"json": [1]}, 400, "BadRequest"),
        ("POST", PODS, {"json": {"kind": "Service", "apiVersion": "v1"}}, 400, "BadRequest"),
        ("POST", PODS, {"json": {"kind": "Pod", "apiVersion": "v2"}}, 400, "BadRequest"),
        ("POST", PODS, {"json": {"metadata": {"name": "p", "namespace": "x"}}}, 400, "BadRequest"),
        ("PUT", f"{PODS}/p", {"json": {"metadata": {"name": "q"}}}, 400, "BadRequest"),
        ("POST", f"{PODS}?dryRun=Some", {"json": POD}, 400, "BadRequest"),
        ("POST", f"{PODS}?fieldValidation=Some", {"json": POD}, 400, "BadRequest"),
        ("GET", f"{PODS}?limit=x", {}, 400, "BadRequest"),
        ("POST", PODS, {"data": b" " * (3 * 1024 * 1024 + 1)}, 413, "RequestEntityTooLarge"),
        (
            "PATCH",
            f"{PODS}/p",
            {"data": b"{}", "headers": {"Content-Type": "application/apply-patch+yaml"}},
            415,
            "UnsupportedMediaType",
        ),
    ],
)
async def test_refusals_are_statuses(
    tmp_path: Path, method: str, path: str, arguments: dict[str, Any], code: int, reason: str
) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        answered, status = await server.json(method, path, **arguments)
    assert (answered, status["code"], status["reason"]) == (code, code, reason)
    assert status["kind"] == "Status"
    assert status["status"] == "Failure"
    assert status["message"]


async def test_a_fault_is_told_to_the_log_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = MemoryRegistry()
    registry.refuse = RuntimeError("the secret reason")
    async with rest_server(registry, tmp_path) as server:
        with caplog.at_level(logging.ERROR):
            code, status = await server.json("GET", f"{PODS}/p")
    assert (code, status["reason"]) == (500, "InternalError")
    assert "secret" not in status["message"]
    assert "the secret reason" in caplog.text


async def test_warnings_become_headers(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.warn = 'unknown field "spec.foo"'
    async with rest_server(registry, tmp_path) as server:
        async with server.client.post(PODS, json=POD) as response:
            assert response.headers.getall("Warning") == ['299 - "unknown field \\"spec.foo\\""']
        registry.refuse = status_error(422, "Invalid", "no")
        async with server.client.post(PODS, json=POD) as response:
            assert response.status == 422
            assert response.headers.getall("Warning") == ['299 - "unknown field \\"spec.foo\\""']


async def test_endpoints_are_deprecated(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        async with server.client.get("/api/v1/endpoints") as response:
            assert response.headers["Warning"] == (
                '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
            )
        async with server.client.get("/api/v1/services") as response:
            assert "Warning" not in response.headers


async def test_kinds_that_nothing_acts_on(tmp_path: Path) -> None:
    path = "/apis/apps/v1/namespaces/ns/statefulsets"
    body = {"metadata": {"name": "a", "namespace": "ns"}}
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        async with server.client.post(path, json=body) as response:
            assert response.status == 201
            assert response.headers.getall("Warning") == [
                '299 - "statefulsets.apps are stored, but nothing in this cluster acts on them"'
            ]
        async with server.client.get(path) as response:
            assert "Warning" not in response.headers


def test_they_are_kinds_of_the_api() -> None:
    assert {one.group_resource for one in RESOURCES} >= _WITHOUT_EFFECT


async def test_requests_are_named_and_counted(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        async with server.client.get("/api/v1/nodes", headers={"Audit-ID": "mine"}) as response:
            assert response.headers["Audit-Id"] == "mine"
        async with server.client.get("/metrics") as response:
            text = await response.text()
    counted = 'apiserver_request_total{code="200",group="",resource="nodes",subresource="",verb="list"}'
    assert counted in text


async def test_version(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        code, version = await server.json("GET", "/version")
    assert code == 200
    assert version["gitVersion"] == "v1.37.0+podyard1"
    assert (version["major"], version["minor"]) == ("1", "37")
    assert version["goVersion"].startswith("python3.")


async def test_an_allowed_user_may_act_as_another(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    headers = {"Impersonate-User": "jane", "Impersonate-Group": "devs"}
    async with rest_server(registry, tmp_path) as server:
        await server.json("POST", PODS, json=POD, headers=headers)
        assert registry.options is not None
        assert registry.options.user == User("jane", ("devs", "system:authenticated"))
        code, _ = await server.json("GET", PODS, headers={"Impersonate-Group": "devs"})
        assert code == 400


async def test_acting_as_another_may_be_refused(tmp_path: Path) -> None:
    class Oneself:
        def authorize(self, attributes: Attributes) -> Decision:
            return Decision(attributes.verb != "impersonate")

        def rules(self, user: User, namespace: str) -> dict[str, Any]:
            return {}

    async with rest_server(MemoryRegistry(), tmp_path, RestConfig(authorizer=Oneself())) as server:
        code, status = await server.json("GET", PODS, headers={"Impersonate-User": "jane"})
    assert code == 403
    assert 'User "kubernetes-admin" cannot impersonate resource "users"' in status["message"]
