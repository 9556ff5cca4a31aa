from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import ENDPOINTS, ENDPOINTSLICES, NAMESPACES, SERVICES
from podyard.client.client import Client, Object
from podyard.dns.answers import Answers
from podyard.dns.cluster import Cluster
from podyard.dns.registration import Registration, addresses_of, differs
from podyard.dns.zone import Zone
from tests.support.apiserver import running_apiserver

SYSTEM = "kube-system"


@pytest.mark.parametrize(
    ("desired", "actual", "different"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {}, True),
        ({"a": {"b": [1]}}, {"a": {"b": [1], "c": 1}}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, False),
        ({"a": [1]}, {"a": [1, 2]}, True),
        ({"a": []}, {"a": None}, True),
        ({"a": {}}, {"a": 1}, True),
    ],
)
def test_differs(desired: Any, actual: Any, different: bool) -> None:
    assert differs(desired, actual) is different


def test_addresses_of() -> None:
    ours = {"metadata": {"name": "kube-dns-127-0-0-2"}}
    slices: list[Object] = [
        {**ours, "endpoints": [{"addresses": ["127.0.0.2"]}]},
        {"metadata": {"name": "kube-dns-nodes"}, "endpoints": [{"addresses": ["127.0.0.3"]}]},
        {**ours, "endpoints": None},
        ours,
    ]
    assert addresses_of(slices) == ["127.0.0.2"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with running_apiserver() as apiserver:
        made = Client(apiserver.target, apiserver.tls)
        try:
            await made.create(
                NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
            )
        except StatusError as error:
            assert error.code == 409
        yield made
        await made.close()


async def eventually(check: Any) -> None:
    async with asyncio.timeout(10):
        while not await check():  # noqa: ASYNC110 (what the apiserver does has no Event here)
            await asyncio.sleep(0.01)


async def test_kube_dns_is_kept_and_left(client: Client) -> None:
    cluster = Cluster(client, Zone("cluster.local", "127.96.0.10"), Answers())
    first = Registration(client, cluster, "127.96.0.10", "127.202.0.1", 53)
    second = Registration(client, cluster, "127.96.0.10", "127.202.0.2", 53)
    tasks = [asyncio.create_task(cluster.run())]
    await cluster.synced()
    tasks += [asyncio.create_task(one.run()) for one in (first, second)]
    await asyncio.gather(first.registered.wait(), second.registered.wait())

    service = await client.get(SERVICES, "kube-dns", SYSTEM)
    assert service["spec"]["clusterIP"] == "127.96.0.10"
    assert "selector" not in service["spec"]
    assert [f"{port['port']}/{port['protocol']}" for port in service["spec"]["ports"]] == ["53/UDP", "53/TCP"]

    async def endpoints_are(*expected: str) -> None:
        async def check() -> bool:
            endpoints = await client.get(ENDPOINTS, "kube-dns", SYSTEM)
            slices = await client.list(ENDPOINTSLICES, SYSTEM)
            found = [a["ip"] for s in endpoints.get("subsets") or () for a in s["addresses"]]
            return found == addresses_of(slices.items) == list(expected)

        await eventually(check)

    await endpoints_are("127.202.0.1", "127.202.0.2")

    # Whoever deletes them gets them back.
    await client.delete(ENDPOINTSLICES, "kube-dns-127-202-0-1", SYSTEM)
    await endpoints_are("127.202.0.1", "127.202.0.2")
    await client.delete(SERVICES, "kube-dns", SYSTEM)
    uid = service["metadata"]["uid"]

    async def is_back() -> bool:
        try:
            return bool((await client.get(SERVICES, "kube-dns", SYSTEM))["metadata"]["uid"] != uid)
        except StatusError:
            return False

    await eventually(is_back)

    tasks.pop(1).cancel()
    await first.withdraw()
    await endpoints_are("127.202.0.2")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
