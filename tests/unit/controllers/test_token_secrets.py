"""Secrets that hold a service account's token."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podyard.api.resources import SECRETS, SERVICEACCOUNTS
from podyard.apiserver.tokens.jws import Token
from podyard.controllers.token_secrets import TYPE, missing
from tests.unit.controllers.control_plane import PATIENCE_SECONDS, ControlPlane, control_plane
from tests.unit.controllers.objects import Object


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with control_plane(tmp_path, nodes=0) as started:
        yield started


def secret(name: str = "robot-token", **more: object) -> Object:
    annotations = {"kubernetes.io/service-account.name": "robot"}
    return {
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "type": TYPE,
        **more,
    }


def filled(secrets: list[Object]) -> Object | None:
    return next((s for s in secrets if (s.get("data") or {}).get("token")), None)


async def test_a_secret_is_filled_and_goes_with_its_account(plane: ControlPlane) -> None:
    account = await plane.client.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, "default")
    await plane.client.create(SECRETS, secret())
    found = await plane.until(SECRETS, filled)
    assert found is not None
    data = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    assert data["namespace"] == "default"
    assert data["ca.crt"] == plane.apiserver.admin.ca.read_text()
    own = Token(data["token"]).claims["kubernetes.io"]
    assert own["secret"]["name"] == "robot-token"
    assert own["serviceaccount"]["name"] == "robot"
    uid = found["metadata"]["annotations"]["kubernetes.io/service-account.uid"]
    assert uid == account["metadata"]["uid"]
    await plane.client.delete(SERVICEACCOUNTS, "robot", "default")
    await plane.until(SECRETS, lambda secrets: not secrets)


async def deleted(plane: ControlPlane, made: Object) -> None:
    """Wait until an object that was just made is gone."""
    version = made["metadata"]["resourceVersion"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in plane.client.watch(SECRETS, "default", resource_version=version):
            if event.type == "DELETED" and event.object["metadata"]["uid"] == made["metadata"]["uid"]:
                return
    raise AssertionError("the watch ended")


async def test_a_secret_of_nobody_is_deleted(plane: ControlPlane) -> None:
    await deleted(plane, await plane.client.create(SECRETS, secret()))
    await plane.client.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, "default")
    stale = secret("stale")
    stale["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = "an-earlier-one"
    await deleted(plane, await plane.client.create(SECRETS, stale))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, {"ca.crt": "Q0E=", "namespace": "ZGVmYXVsdA=="}),
        ({"ca.crt": "b2xk", "namespace": "ZGVmYXVsdA=="}, {"ca.crt": "Q0E="}),
        ({"ca.crt": "Q0E=", "namespace": "b3RoZXI="}, {}),
    ],
)
def test_what_is_missing(data: Object, expected: Object) -> None:
    assert missing(secret(data=data), "CA") == expected
