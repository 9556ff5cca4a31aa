"""Who may do what, over the whole server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    CONFIGMAPS,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
)
from podyard.apiserver.registry import Object
from podyard.client.client import Client
from tests.support.apiserver import ISSUER, RunningApiserver, running_apiserver
from tests.support.certificates import client_context

# Over the whole server.


@contextlib.asynccontextmanager
async def client_of(server: RunningApiserver, name: str, *groups: str) -> AsyncIterator[Client]:
    client = Client(server.target, server.authority.issue(name, *groups))
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def server() -> AsyncIterator[RunningApiserver]:
    async with running_apiserver() as server:
        yield server


@pytest.fixture
async def admin(server: RunningApiserver) -> AsyncIterator[Client]:
    client = Client(server.target, server.tls)
    yield client
    await client.close()


@pytest.fixture
async def node(server: RunningApiserver) -> AsyncIterator[Client]:
    async with client_of(server, "system:node:node1", "system:nodes") as client:
        yield client


def pod(name: str, node: str = "", **spec: object) -> Object:
    containers = [{"name": "c", "image": "nginx"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, "nodeName": node, **spec}}


async def refusal(call: object) -> str:
    with pytest.raises(StatusError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == 403, caught.value
    return caught.value.message


async def test_a_certificate_names_one_user(server: RunningApiserver) -> None:
    """Two common names are none: who signs and who reads might not mean the same one."""
    tls = server.authority.issue("system:node:node1", "system:masters", second_name="0")
    client = Client(server.target, tls)
    with pytest.raises(StatusError) as caught:
        await client.list(NODES)
    await client.close()
    assert caught.value.code == 401
    connector = aiohttp.TCPConnector(ssl=client_context(tls, server.authority.file))
    async with (
        aiohttp.ClientSession(server.url, connector=connector) as session,
        session.get("/api/v1/nodes") as response,
    ):
        assert response.status == 401


async def test_a_node_sees_the_secrets_of_its_pods_alone(admin: Client, node: Client) -> None:
    for name in ("mine", "foreign"):
        await admin.create(SECRETS, {"metadata": {"name": name}}, "default")
    volumes = [{"name": "v", "secret": {"secretName": "mine"}}]
    await admin.create(PODS, pod("p", "node1", volumes=volumes), "default")
    assert (await node.get(SECRETS, "mine", "default"))["metadata"]["name"] == "mine"
    listed = await node.list(SECRETS, "default", field_selector="metadata.name=mine")
    assert len(listed.items) == 1
    assert await refusal(node.get(SECRETS, "foreign", "default")) == (
        'secrets "foreign" is forbidden: User "system:node:node1" cannot get resource "secrets" in API group '
        '"" in the namespace "default": no relationship found between node \'node1\' and this object'
    )
    assert await refusal(node.list(SECRETS)) == (
        'secrets is forbidden: User "system:node:node1" cannot list resource "secrets" in API group "" '
        "at the cluster scope: can only read namespaced object of this type"
    )
    await admin.delete(PODS, "p", "default", grace_period_seconds=0)
    await refusal(node.get(SECRETS, "mine", "default"))


async def test_a_node_writes_its_own_node_alone(admin: Client, node: Client) -> None:
    labels = {"kubernetes.io/hostname": "node1", "mine": "yes"}
    await admin.create(NODES, {"metadata": {"name": "node2"}})
    with_range: Object = {"metadata": {"name": "node1"}, "spec": {"podCIDR": "10.244.9.0/24"}}
    assert "is not allowed to set podCIDRs" in await refusal(node.create(NODES, with_range))
    await node.create(NODES, {"metadata": {"name": "node1", "labels": labels}})
    made = await refusal(node.create(NODES, {"metadata": {"name": "node3"}}))
    assert made == 'nodes "node3" is forbidden: node "node1" is not allowed to modify node "node3"'
    await node.patch(NODES, "node1", "", {"status": {"phase": "Running"}}, subresource="status")
    await node.patch(NODES, "node1", "", {"metadata": {"labels": {"mine": "no"}}})
    changes: list[tuple[Object, str]] = [
        (
            {"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y"}}},
            "is not allowed to modify labels",
        ),
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, "is not allowed to modify taints"),
        ({"spec": {"podCIDR": "10.244.9.0/24"}}, "is not allowed to modify podCIDRs"),
        ({"spec": {"podCIDRs": ["10.244.9.0/24"]}}, "is not allowed to modify podCIDRs"),
    ]
    for patch, why in changes:
        assert why in await refusal(node.patch(NODES, "node1", "", patch))
    running = {"status": {"phase": "Running"}}
    await refusal(node.patch(NODES, "node2", "", running, subresource="status"))
    await refusal(node.delete(NODES, "node1"))
    lease = {"metadata": {"name": "node2", "namespace": "kube-node-lease"}}
    await refusal(node.create(LEASES, lease))
    lease["metadata"]["name"] = "node1"
    await node.create(LEASES, lease)


async def test_a_node_writes_the_status_of_its_own_pods(admin: Client, node: Client) -> None:
    for name, where in (("mine", "node1"), ("foreign", "node2")):
        await admin.create(PODS, pod(name, where), "default")
    patch = {"status": {"phase": "Running"}}
    await node.patch(PODS, "mine", "default", patch, subresource="status")
    why = await refusal(node.patch(PODS, "foreign", "default", patch, subresource="status"))
    assert "can only update pod status for pods with spec.nodeName set to itself" in why
    await refusal(node.patch(PODS, "mine", "default", {"metadata": {"labels": {"a": "b"}}}))
    why = await refusal(node.delete(PODS, "foreign", "default", grace_period_seconds=0))
    assert "can only delete pods with spec.nodeName set to itself" in why
    await node.delete(PODS, "mine", "default", grace_period_seconds=0)


async def test_a_node_gets_tokens_for_its_pods(admin: Client, node: Client) -> None:
    await admin.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, "default")
    pods = [
        await admin.create(PODS, pod(name, where, serviceAccountName="robot"), "default")
        for name, where in (("mine", "node1"), ("foreign", "node2"))
    ]

    async def token(found: Object | None, *, uid: bool = True) -> Object:
        bound = {}
        if found is not None:
            reference = {"kind": "Pod", "apiVersion": "v1", "name": found["metadata"]["name"]}
            bound = {"boundObjectRef": {**reference, **({"uid": found["metadata"]["uid"]} if uid else {})}}
        spec = {"spec": {"audiences": [], **bound}}
        return await node.create(SERVICEACCOUNTS, spec, "default", name="robot", subresource="token")

    assert (await token(pods[0]))["status"]["token"]
    assert "node requested token not bound to a pod" in await refusal(token(None))
    assert "with a pod binding without a uid" in await refusal(token(pods[0], uid=False))
    assert "scheduled on a different node" in await refusal(token(pods[1]))


API_VOLUME: Object = {"serviceAccountToken": {"path": "t"}}
VAULT_VOLUME: Object = {"serviceAccountToken": {"path": "v", "audience": "vault"}}


@pytest.mark.parametrize(
    ("sources", "allowed"),
    [
        ([], []),
        ([{"configMap": {"name": "c"}}], []),
        ([API_VOLUME], [[]]),
        ([VAULT_VOLUME], [["vault"]]),
        ([API_VOLUME, VAULT_VOLUME], [[], ["vault"]]),
    ],
)
async def test_a_node_gets_tokens_for_the_audiences_of_its_pods(
    admin: Client, node: Client, sources: list[Object], allowed: list[list[str]]
) -> None:
    await admin.create(SERVICEACCOUNTS, {"metadata": {"name": "robot"}}, "default")
    volumes = [{"name": "v", "projected": {"sources": sources}}, {"name": "e", "emptyDir": {}}]
    made = await admin.create(
        PODS,
        pod("p", "node1", serviceAccountName="robot", automountServiceAccountToken=False, volumes=volumes),
        "default",
    )
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}

    async def token(*audiences: str) -> Object:
        spec = {"spec": {"audiences": list(audiences), "boundObjectRef": bound}}
        return await node.create(SERVICEACCOUNTS, spec, "default", name="robot", subresource="token")

    for audiences in ([], ["vault"], ["other"], [ISSUER]):
        if audiences in allowed:
            assert (await token(*audiences))["status"]["token"]
        else:
            why = f'not authorized to request tokens for audience "{"".join(audiences)}"'
            assert why in await refusal(token(*audiences))
    assert "node may only request 0 or 1 audiences" in await refusal(token("vault", "other"))


async def test_a_component_does_its_work_alone(server: RunningApiserver) -> None:
    async with client_of(server, "system:kube-proxy") as proxy:
        assert (await proxy.list(SERVICES)).items
        assert 'User "system:kube-proxy" cannot list resource "secrets"' in await refusal(proxy.list(SECRETS))
        with pytest.raises(StatusError, match='cannot watch resource "configmaps"'):
            await anext(proxy.watch(CONFIGMAPS))


async def test_the_pods_of_a_node_are_known(server: RunningApiserver, admin: Client) -> None:
    """Bound late, changed, gone: the node reads what its pods use, as long as they do."""
    await admin.create(SECRETS, {"metadata": {"name": "late"}}, "default")
    volumes = [{"name": "v", "secret": {"secretName": "late"}}]
    await admin.create(PODS, pod("late", volumes=volumes), "default")
    async with client_of(server, "system:node:node1", "system:nodes") as node:
        await refusal(node.get(SECRETS, "late", "default"))
        target = {"kind": "Node", "name": "node1"}
        binding = {"metadata": {"name": "late"}, "target": target}
        await admin.create(PODS, binding, "default", name="late", subresource="binding")
        await node.get(SECRETS, "late", "default")
        await admin.patch(PODS, "late", "default", {"metadata": {"labels": {"a": "b"}}})
        await node.get(SECRETS, "late", "default")
        await admin.delete(PODS, "late", "default", grace_period_seconds=0)
        await refusal(node.get(SECRETS, "late", "default"))


async def test_the_pods_of_a_node_are_known_after_a_restart(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path) as first:
        client = Client(first.target, first.tls)
        await client.create(SECRETS, {"metadata": {"name": "mine"}}, "default")
        volumes = [{"name": "v", "secret": {"secretName": "mine"}}]
        await client.create(PODS, pod("p", "node1", volumes=volumes), "default")
        await client.close()
    async with (
        running_apiserver(tmp_path) as again,
        client_of(again, "system:node:node1", "system:nodes") as node,
    ):
        await node.get(SECRETS, "mine", "default")
