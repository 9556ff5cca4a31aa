"""Tokens over the whole server: asked for, used, reviewed."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import PODS, SECRETS, SERVICEACCOUNTS
from podyard.apiserver.registry import Object
from podyard.apiserver.tokens.jws import Token
from podyard.client.client import Client
from tests.support.apiserver import ISSUER, RunningApiserver, running_apiserver
from tests.support.certificates import client_context
from tests.unit.apiserver.registry_harness import pod


@pytest.fixture
async def server() -> AsyncIterator[RunningApiserver]:
    async with running_apiserver() as server:
        yield server


@pytest.fixture
async def client(server: RunningApiserver) -> AsyncIterator[Client]:
    client = Client(server.target, server.tls)
    await client.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, "default")
    yield client
    await client.close()


async def ask(client: Client, name: str = "robot", **spec: Any) -> Object:
    return await client.create(
        SERVICEACCOUNTS, {"spec": {"audiences": [], **spec}}, "default", name=name, subresource="token"
    )


async def rest(
    server: RunningApiserver, method: str, path: str, token: str = "", **arguments: Any
) -> tuple[int, Any]:
    """A request with a token, or else with the administrator's certificate."""
    tls = client_context(None if token else server.tls, server.authority.file)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, ssl=tls, headers=headers, **arguments) as response,
    ):
        return response.status, await response.json(content_type=None)


async def test_a_token_among_the_protocols_of_a_websocket(server: RunningApiserver, client: Client) -> None:
    token = (await ask(client))["status"]["token"]
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    url, tls = f"{server.url}/api/v1/namespaces?watch=1", client_context(None, server.authority.file)
    async with aiohttp.ClientSession() as session:
        for prefix, code in (("base64url.bearer.authorization.k8s.io.", 101), ("base64url.bearer.", 401)):
            protocols = (f"{prefix}{encoded}", "binary.k8s.io")
            try:
                async with session.ws_connect(url, ssl=tls, protocols=protocols) as socket:
                    assert (code, socket.protocol) == (101, "binary.k8s.io")
                    assert orjson.loads(await socket.receive_str())["type"] == "ADDED"
            except aiohttp.WSServerHandshakeError as error:
                assert error.status == code
        headers = {"Sec-WebSocket-Protocol": f"base64url.bearer.authorization.k8s.io.{encoded}"}
        async with session.get(f"{server.url}/api/v1/namespaces", ssl=tls, headers=headers) as response:
            assert response.status == 401  # it is no WebSocket


async def test_a_token_opens_the_api(server: RunningApiserver, client: Client) -> None:
    request = await ask(client)
    assert request["spec"]["expirationSeconds"] == 3600
    assert request["spec"]["audiences"] == [ISSUER, "api"]
    token = request["status"]["token"]
    assert (await rest(server, "GET", "/api/v1/namespaces/default", token))[0] == 200
    _, review = await rest(
        server, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", token, json={}
    )
    info = review["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:default:robot"
    assert "system:serviceaccounts:default" in info["groups"]

    code, status = await rest(server, "GET", "/api/v1/namespaces/default", token[:-6] + "AAAAAA")
    assert (code, status["reason"]) == (401, "Unauthorized")
    await client.delete(SERVICEACCOUNTS, "robot", "default")
    assert (await rest(server, "GET", "/api/v1/namespaces/default", token))[0] == 401


async def test_over_rest(server: RunningApiserver, client: Client) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    code, request = await rest(
        server, "POST", path, json={"spec": {"expirationSeconds": 900, "audiences": ["vault"]}}
    )
    assert code == 201
    assert (request["kind"], request["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    claims = Token(request["status"]["token"]).claims
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 900


async def test_bound_to_a_pod(server: RunningApiserver, client: Client) -> None:
    robot = pod("p")
    robot["spec"]["serviceAccountName"] = "robot"
    made = await client.create(PODS, robot, "default")
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
    request = await ask(client, boundObjectRef=reference, expirationSeconds=3607)
    token = request["status"]["token"]
    claims = Token(token).claims
    own = claims["kubernetes.io"]
    assert own["pod"] == {"name": "p", "uid": made["metadata"]["uid"]}
    # Such a token is good for a year, and says from when on it should not be in use.
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert own["warnafter"] - claims["iat"] == 3607
    assert (await rest(server, "GET", "/api", token))[0] == 200
    await client.delete(PODS, "p", "default", grace_period_seconds=0)
    assert (await rest(server, "GET", "/api", token))[0] == 401


@pytest.mark.parametrize(
    ("name", "spec", "code", "message"),
    [
        ("nobody", {}, 404, 'serviceaccounts "nobody" not found'),
        (
            "robot",
            {"expirationSeconds": 599},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
            "Invalid value: 599: may not specify a duration less than 10 minutes",
        ),
        (
            "robot",
            {"expirationSeconds": 2**32 + 1},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
            "Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds",
        ),
        (
            "robot",
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}},
            404,
            'pods "none" not found',
        ),
        (
            "robot",
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "other"}},
            400,
            'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
        ),
        (
            "robot",
            {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        (
            "robot",
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"}},
            409,
            'Operation cannot be fulfilled on Secret "s": the UID in the bound object reference (u) does '
            "not match the UID in record. The object might have been deleted and then recreated",
        ),
    ],
)
async def test_refused(client: Client, name: str, spec: Object, code: int, message: str) -> None:
    await client.create(PODS, pod("other"), "default")
    await client.create(SECRETS, {"metadata": {"name": "s"}}, "default")
    with pytest.raises(StatusError) as refused:
        await ask(client, name, **spec)
    assert (refused.value.code, refused.value.message) == (code, message)


async def test_review(server: RunningApiserver, client: Client) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = (await ask(client))["status"]["token"]
    code, review = await rest(server, "POST", path, json={"spec": {"token": token}})
    status = review["status"]
    assert (code, status["authenticated"], status["audiences"]) == (201, True, [ISSUER, "api"])
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    _, review = await rest(server, "POST", path, json={"spec": {"token": token, "audiences": ["vault"]}})
    assert "authenticated" not in review["status"]
    assert "is invalid for the target audiences" in review["status"]["error"]
    _, review = await rest(server, "POST", path, json={"spec": {"token": "x"}})
    assert review["status"] == {"user": {}, "error": "invalid bearer token"}
    code, _ = await rest(server, "POST", path, json={"spec": {}})
    assert code == 400


async def test_others_can_verify(server: RunningApiserver) -> None:
    _, metadata = await rest(server, "GET", "/.well-known/openid-configuration")
    assert metadata["issuer"] == ISSUER
    assert metadata["jwks_uri"].endswith("/openid/v1/jwks")
    _, keys = await rest(server, "GET", "/openid/v1/jwks")
    assert [key["alg"] for key in keys["keys"]] == ["ES256"]


async def test_impersonated_accounts_have_their_groups(server: RunningApiserver, client: Client) -> None:
    tls = client_context(server.tls, server.authority.file)
    headers = {"Impersonate-User": "system:serviceaccount:default:robot"}
    url = server.url + "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, ssl=tls, headers=headers, json={}) as response,
    ):
        review = await response.json()
    assert "system:serviceaccounts:default" in review["status"]["userInfo"]["groups"]
