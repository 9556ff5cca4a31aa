"""The zone and the kept answers follow the apiserver's lists and events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from podyard.client.client import Client
from podyard.dns.answers import Answers
from podyard.dns.cluster import Cluster, trimmed_service, trimmed_slice
from podyard.dns.records import records_of
from podyard.dns.types import A
from podyard.dns.zone import NOTHING, Found, Zone
from tests.support.objects_api import ObjectsApi, objects_api

from .objects import Object, endpoint, external, service, slice_of

WEB = "web.default.svc.cluster.local"


@dataclass
class Following:
    """A cluster that is followed."""

    api: ObjectsApi
    zone: Zone

    async def becomes(self, name: str, found: Found) -> None:
        """Wait until this is what the zone has at `name`."""
        async with asyncio.timeout(10):
            while True:
                if self.zone.lookup(name) == found:
                    return
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def following(**lists: list[Object]) -> AsyncIterator[Following]:
    async with objects_api(lists) as api:
        assert api.tls is not None
        client = Client(api.target, api.tls)
        zone = Zone("cluster.local", "127.96.0.10")
        cluster = Cluster(client, zone, Answers())
        running = asyncio.create_task(cluster.run())
        await cluster.synced()
        yield Following(api, zone)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()


async def test_lists_and_events() -> None:
    pets = slice_of("pets", endpoint("127.244.1.2", "pet-0"))
    async with following(
        services=[service("web", "127.96.3.4"), service("pets")],
        endpointslices=[pets],
        namespaces=[{"metadata": {"name": "default"}}],
    ) as cluster:
        pet = "pet-0.pets.default.svc.cluster.local"
        assert cluster.zone.lookup(WEB) == Found(True, {A: ("127.96.3.4",)})
        assert cluster.zone.lookup(pet) == Found(True, {A: ("127.244.1.2",)})
        await cluster.api.publish("services", "MODIFIED", service("web", "127.96.3.5"))
        await cluster.becomes(WEB, Found(True, {A: ("127.96.3.5",)}))
        await cluster.api.publish(
            "endpointslices", "MODIFIED", slice_of("pets", endpoint("127.244.1.9", "pet-0"))
        )
        await cluster.becomes(pet, Found(True, {A: ("127.244.1.9",)}))
        await cluster.api.publish("services", "DELETED", service("pets"))
        await cluster.becomes(pet, NOTHING)
        await cluster.api.publish("namespaces", "DELETED", {"metadata": {"name": "default"}})
        await cluster.becomes("default.pod.cluster.local", NOTHING)


def test_trimmed_objects_give_the_same_records() -> None:
    svc = service("web", "127.96.3.4", clusterIPs=["127.96.3.4", "fd00::4"], publishNotReadyAddresses=True)
    headless = service("pets", sessionAffinity="None")
    piece = slice_of(
        "pets",
        endpoint("127.244.1.2", "pet-0"),
        endpoint("127.244.1.3", ready=False),
        endpoint("127.244.1.4"),
    )
    for one in (svc, headless, external("out", "www.example.com")):
        one["metadata"]["resourceVersion"] = piece["metadata"]["resourceVersion"] = "1"
        trimmed = trimmed_service(one)
        assert records_of(trimmed, [trimmed_slice(piece)], "cluster.local") == records_of(
            one, [piece], "cluster.local"
        )
        assert trimmed_service(trimmed) == trimmed
    assert trimmed_slice(trimmed_slice(piece)) == trimmed_slice(piece)
