"""Bootstrap tokens: which are good, and what they open."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from podyard.api.resources import SECRETS
from podyard.apiserver.registry import Object
from podyard.apiserver.tokens.bootstrap import is_bootstrap_token, recognise
from podyard.apiserver.tokens.jws import TokenError
from podyard.client.client import Client
from tests.support.apiserver import RunningApiserver, running_apiserver
from tests.support.certificates import client_context

TOKEN = "abcdef.0123456789abcdef"
NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def secret(**changes: str) -> Object:
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:podyard:default-node-token",
        **{key.replace("_", "-"): value for key, value in changes.items()},
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


class Objects:
    def __init__(self, found: Object | None) -> None:
        self.found = found

    def lookup(self, group_resource: str, namespace: str, name: str) -> Object | None:
        wanted = ("secrets", "kube-system", "bootstrap-token-abcdef")
        return self.found if (group_resource, namespace, name) == wanted else None

    def objects(self, group_resource: str, namespace: str = "") -> Iterator[Object]:
        return iter(())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (TOKEN, True),
        ("abcdef.0123456789abcde", False),
        ("ABCDEF.0123456789abcdef", False),
        ("abcdef0123456789abcdef", False),
        (f"{TOKEN}\n", False),
        ("a.b.c", False),
        ("", False),
    ],
)
def test_its_form(text: str, is_one: bool) -> None:
    assert is_bootstrap_token(text) is is_one


def test_a_good_one() -> None:
    later = secret(expiration="2023-11-14T22:13:21Z")
    for found in (secret(), later):
        user = recognise(TOKEN, Objects(found), NOW)
        assert user.name == "system:bootstrap:abcdef"
        assert user.groups == (
            "system:bootstrappers",
            "system:bootstrappers:podyard:default-node-token",
            "system:authenticated",
        )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "there is no bootstrap token abcdef"),
        ({**secret(), "type": "Opaque"}, "there is no bootstrap token"),
        (secret(token_secret="0123456789abcdeg"), "secret part of bootstrap token abcdef is wrong"),
        (secret(token_id="ghijkl"), "wrong"),
        (secret(token_secret="0123456789abcdeé"), "wrong"),
        (secret(expiration="2023-11-14T22:13:20Z"), "has expired"),
        (secret(expiration="tomorrow"), "has expired"),
        (secret(usage_bootstrap_authentication="false"), "is not for authentication"),
        (secret(auth_extra_groups="system:masters"), "cannot be of group system:masters"),
    ],
)
def test_bad_ones(found: Object | None, why: str) -> None:
    with pytest.raises(TokenError, match=why):
        recognise(TOKEN, Objects(found), NOW)


@pytest.fixture
async def server() -> AsyncIterator[RunningApiserver]:
    async with running_apiserver() as server:
        client = Client(server.target, server.tls)
        await client.create(SECRETS, secret())
        await client.close()
        yield server


async def get(server: RunningApiserver, path: str, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    tls = client_context(None, server.authority.file)
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + path, ssl=tls, headers=headers) as reply,
    ):
        return reply.status, await reply.json()


async def test_it_opens_what_a_joining_host_needs_and_no_more(server: RunningApiserver) -> None:
    code, answer = await get(server, "/api/v1/nodes/node1", TOKEN)
    assert (code, answer["reason"]) == (404, "NotFound")
    code, answer = await get(server, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef", TOKEN)
    assert code == 403
    assert 'User "system:bootstrap:abcdef" cannot get resource "secrets"' in answer["message"]
    code, answer = await get(server, "/api/v1/nodes/node1", "abcdef.0123456789abcdeg")
    assert (code, answer["message"]) == (401, "Unauthorized")
