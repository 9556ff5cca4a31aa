"""A whole registry on SQLite in a temporary directory, with a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from podyard.api.errors import StatusError
from podyard.api.resources import NAMESPACES, Resource
from podyard.apiserver.cacher.cacher import Cacher
from podyard.apiserver.registry import FieldValidation, Object, Stored, User, Watch, WriteOptions
from podyard.apiserver.registry.generic import GenericRegistry
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.strategies import Ranges
from podyard.apiserver.storage.sqlite import SqliteStorage
from podyard.apiserver.tokens.authority import Keys, TokenAuthority
from podyard.apiserver.tokens.jws import SigningKey
from podyard.process.clock import FakeClock

RANGES = Ranges(IPv4Network("127.96.0.0/16"), range(30000, 32768), frozenset({"127.96.0.10"}))
ALICE = User("alice", ("developers", "system:authenticated"))
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"


@dataclass
class Cluster:
    """The registry in the words of the tests; decoded objects in and out, namespace "default"."""

    registry: GenericRegistry
    storage: SqliteStorage
    clock: FakeClock

    def options(self, validation: FieldValidation = "Strict", *, dry_run: bool = False) -> WriteOptions:
        return WriteOptions(ALICE, dry_run=dry_run, field_validation=validation)

    async def create(self, resource: Resource, obj: Object, options: WriteOptions | None = None) -> Object:
        namespace = obj.get("metadata", {}).get("namespace", "default") if resource.namespaced else ""
        stored = await self.registry.create(resource, namespace, obj, options or self.options())
        return stored.decode()

    async def get(self, resource: Resource, name: str, *, subresource: str = "") -> Object:
        namespace = "default" if resource.namespaced else ""
        return (await self.registry.get(resource, namespace, name, subresource=subresource)).decode()

    async def update(
        self, resource: Resource, obj: Object, options: WriteOptions | None = None, *, subresource: str = ""
    ) -> Object:
        namespace = "default" if resource.namespaced else ""
        stored, _ = await self.registry.update(
            resource,
            namespace,
            obj["metadata"]["name"],
            obj,
            options or self.options(),
            subresource=subresource,
        )
        return stored.decode()

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        content_type: str = MERGE,
        options: WriteOptions | None = None,
        *,
        subresource: str = "",
    ) -> Object:
        namespace = "default" if resource.namespaced else ""
        stored = await self.registry.patch(
            resource,
            namespace,
            name,
            content_type,
            orjson.dumps(patch),
            options or self.options(),
            subresource=subresource,
        )
        return stored.decode()

    async def delete(self, resource: Resource, name: str, *, dry_run: bool = False, **how: Any) -> Object:
        namespace = "default" if resource.namespaced else ""
        result = await self.registry.delete(resource, namespace, name, how, self.options(dry_run=dry_run))
        return result.decode() if isinstance(result, Stored) else result

    async def names(self, resource: Resource, **where: Any) -> list[str]:
        return [item.name for item in (await self.registry.list(resource, "", **where)).items]

    async def exists(self, resource: Resource, name: str) -> bool:
        try:
            await self.get(resource, name)
        except StatusError as error:
            assert error.code == 404
            return False
        return True


async def take(watch: Watch, count: int) -> list[tuple[str, str]]:
    """The types and names of the next events."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            event = await watch.__anext__()
            found.append((event.type, orjson.loads(event.data)["metadata"].get("name", "")))
    return found


@contextlib.asynccontextmanager
async def cluster_in(directory: Path, history: int = 1000) -> AsyncIterator[Cluster]:
    """A registry with the namespace default."""
    storage = await SqliteStorage.open(directory / "state.db")
    cacher = Cacher(storage, history)
    await cacher.start()
    following = asyncio.create_task(cacher.run())
    try:
        await cacher.reached((await storage.revision())[1])
        clock = FakeClock()
        store = Store(storage, cacher)
        key = SigningKey(ec.generate_private_key(ec.SECP256R1()))
        tokens = TokenAuthority(Keys(key, (key.public,)), "issuer", ("issuer",), store, clock)
        cluster = Cluster(GenericRegistry(store, RANGES, clock, tokens), storage, clock)
        if not await cluster.exists(NAMESPACES, "default"):
            await cluster.create(NAMESPACES, {"metadata": {"name": "default"}})
        yield cluster
    finally:
        following.cancel()
        await storage.close()


def config_map(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def service(name: str, **spec: Any) -> Object:
    ports = [{"port": 80}]
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


def pod(name: str, *, node: str = "", **metadata: Any) -> Object:
    spec: Object = {"containers": [{"name": "c", "image": "nginx"}]}
    if node:
        spec["nodeName"] = node
    return {"kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def deployment(name: str, replicas: int = 1) -> Object:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def refusal(call: Awaitable[object]) -> tuple[int, str]:
    """The code and the message of the Status that the call fails with."""
    with pytest.raises(StatusError) as caught:
        await call
    return caught.value.code, caught.value.message
