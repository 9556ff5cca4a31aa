"""Tokens are asked for once, and renewed in time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podyard.api.errors import status_error
from podyard.api.resources import SERVICEACCOUNTS, Resource
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.kubelet.volumes import TokenSpec, VolumeError
from podyard.kubelet.volumes.tokens import Tokens, renewal, token_request
from podyard.process.clock import FakeClock
from tests.unit.kubelet.pods import UID, container, pod

Object = dict[str, Any]


class FakeServer:
    """Gives out token-1, token-2, …, as good for as long as was asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[tuple[Resource, Object, str, str, str]] = []
        self.away = False

    async def create(
        self, resource: Resource, obj: Object, namespace: str, *, name: str, subresource: str
    ) -> Object:
        """The client's call."""
        if self.away:
            raise status_error(503, "ServiceUnavailable", "away")
        self.asked.append((resource, obj, namespace, name, subresource))
        expires = to_rfc3339(self.clock.now() + obj["spec"]["expirationSeconds"])
        return {**obj, "status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": expires}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> FakeServer:
    return FakeServer(clock)


@pytest.fixture
def tokens(server: FakeServer, clock: FakeClock) -> Tokens:
    return Tokens(cast(Client, server), clock)


POD = pod(container("web"))
POD["spec"]["serviceAccountName"] = "builder"
HOUR = TokenSpec("", 3600)


async def test_what_is_asked(tokens: Tokens, server: FakeServer) -> None:
    await tokens.get(POD, HOUR)
    await tokens.get(POD, TokenSpec("vault", 600))
    resource, request, *where = server.asked[0]
    assert (resource, where) == (SERVICEACCOUNTS, ["default", "builder", "token"])
    assert request == token_request(POD, HOUR)
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": UID}
    assert request["spec"] == {"audiences": [], "expirationSeconds": 3600, "boundObjectRef": bound}
    assert server.asked[1][1]["spec"]["audiences"] == ["vault"]


async def test_a_token_is_renewed_at_80_percent(tokens: Tokens, clock: FakeClock) -> None:
    first = await tokens.get(POD, HOUR)
    assert first.renew_at == clock.now() + 2880
    clock.advance(2879)
    assert await tokens.get(POD, HOUR) is first
    clock.advance(1)
    assert (await tokens.get(POD, HOUR)).text == "token-2"


async def test_an_old_token_serves_while_none_is_to_be_had(
    tokens: Tokens, server: FakeServer, clock: FakeClock
) -> None:
    await tokens.get(POD, HOUR)
    server.away = True
    clock.advance(3000)
    kept = await tokens.get(POD, HOUR)
    assert (kept.text, kept.renew_at) == ("token-1", clock.now() + 10)
    clock.advance(600)
    with pytest.raises(VolumeError, match=r"^failed to fetch token: away$"):
        await tokens.get(POD, HOUR)
    server.away = False
    assert (await tokens.get(POD, HOUR)).text == "token-2"


async def test_a_pod_that_is_gone_is_forgotten(tokens: Tokens) -> None:
    await tokens.get(POD, HOUR)
    tokens.forget("another")
    assert (await tokens.get(POD, HOUR)).text == "token-1"
    tokens.forget(UID)
    assert (await tokens.get(POD, HOUR)).text == "token-2"


@pytest.mark.parametrize(
    ("lifetime", "age"), [(600, 480), (3607, 2885.6), (86400, 69120), (365 * 86400, 86400), (-60, 10)]
)
def test_renewal(lifetime: float, age: float) -> None:
    assert renewal(1000.0, 1000.0 + lifetime) == pytest.approx(1000.0 + age)
