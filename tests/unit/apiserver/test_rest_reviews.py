"""Reviews: who am I, and may I?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podyard.apiserver.authz import Attributes, Decision
from podyard.apiserver.context import RestConfig
from podyard.apiserver.registry import User
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import rest_server

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
READ_PODS: dict[str, Any] = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "ns"}}


async def test_who_am_i(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        code, review = await server.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    assert code == 201
    assert review["status"]["userInfo"] == {
        "username": "kubernetes-admin",
        "groups": ["system:masters", "team", "system:authenticated"],
    }


async def test_everybody_known_may_everything(tmp_path: Path) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        body: dict[str, Any] = {"spec": READ_PODS}
        _, review = await server.json("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", json=body)
        assert review["status"] == {"allowed": True}
        body = {"spec": {"namespace": "ns"}}
        _, review = await server.json("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", json=body)
        assert review["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]


async def test_the_authorizer_is_asked_about_the_subject(tmp_path: Path) -> None:
    seen: list[Attributes] = []

    class Some:
        def authorize(self, attributes: Attributes) -> Decision:
            seen.append(attributes)
            return Decision(attributes.user.name != "eve", "no eve")

        def rules(self, user: User, namespace: str) -> dict[str, Any]:
            return {}

    async with rest_server(MemoryRegistry(), tmp_path, RestConfig(authorizer=Some())) as server:
        body = {"spec": {"user": "eve", "groups": ["g"], **READ_PODS}}
        _, review = await server.json("POST", f"{AUTHORIZATION}/subjectaccessreviews", json=body)
    assert review["status"] == {"allowed": False, "reason": "no eve"}
    asked = seen[-1]
    assert (asked.user.groups, asked.verb, asked.resource, asked.namespace) == (("g",), "get", "pods", "ns")


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("selfsubjectaccessreviews", {}),
        ("selfsubjectaccessreviews", {**READ_PODS, "nonResourceAttributes": {"path": "/", "verb": "get"}}),
        ("subjectaccessreviews", READ_PODS),
        ("selfsubjectrulesreviews", {}),
        ("namespaces/other/localsubjectaccessreviews", {"user": "eve", **READ_PODS}),
    ],
)
async def test_refused(tmp_path: Path, path: str, spec: dict[str, Any]) -> None:
    async with rest_server(MemoryRegistry(), tmp_path) as server:
        code, status = await server.json("POST", f"{AUTHORIZATION}/{path}", json={"spec": spec})
    assert (code, status["reason"]) == (400, "BadRequest")
