"""The component API on a real apiserver, through the components' own client."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import grpc.aio
import pytest

from podyard.api.errors import StatusError
from podyard.api.resources import (
    CONFIGMAPS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    PODS,
    SERVICES,
    find,
)
from podyard.apiserver.command import add_arguments, config_of
from podyard.apiserver.event_ttl import sweep
from podyard.apiserver.registry import Object
from podyard.apiserver.server import running
from podyard.client.client import Client
from podyard.process.clock import FakeClock
from podyard.process.main import UserError
from tests.support.apiserver import RunningApiserver, running_apiserver
from tests.support.certificates import encoded_request
from tests.unit.apiserver.registry_harness import config_map, pod, service


@pytest.fixture
async def server() -> AsyncIterator[RunningApiserver]:
    async with running_apiserver() as server:
        yield server


@pytest.fixture
async def client(server: RunningApiserver) -> AsyncIterator[Client]:
    client = Client(server.target, server.tls)
    yield client
    await client.close()


async def test_an_object_lives(client: Client) -> None:
    made = await client.create(CONFIGMAPS, {**config_map("a"), "data": {"k": "1"}}, "default")
    assert await client.get(CONFIGMAPS, "a", "default") == made
    made["data"]["k"] = "2"
    updated = await client.update(CONFIGMAPS, made)
    patched = await client.patch(CONFIGMAPS, "a", "default", {"data": {"l": "3"}})
    assert patched["data"] == {"k": "2", "l": "3"}
    listed = await client.list(CONFIGMAPS, "default")
    assert listed.items == [patched]
    assert int(listed.resource_version) > int(updated["metadata"]["resourceVersion"])
    assert (await client.delete(CONFIGMAPS, "a", "default"))["status"] == "Success"
    assert (await client.list(CONFIGMAPS)).items == []


async def test_refusals_arrive_whole(client: Client) -> None:
    with pytest.raises(StatusError) as caught:
        await client.get(PODS, "nope", "default")
    assert caught.value.status["details"] == {"name": "nope", "kind": "pods"}
    with pytest.raises(StatusError) as caught:
        await client.create(CONFIGMAPS, config_map("A"), "default")
    assert caught.value.code == 422
    assert caught.value.status["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_refusal_too_long_for_grpc_is_cut(client: Client) -> None:
    labels = {f"{'x' * 70}{n}": "bad key" for n in range(100)}
    with pytest.raises(StatusError) as caught:
        await client.create(CONFIGMAPS, config_map("a", labels=labels), "default")
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message.startswith('ConfigMap "a" is invalid: [metadata.labels: ')


async def test_a_watch_follows(client: Client) -> None:
    version = (await client.list(CONFIGMAPS)).resource_version
    async with contextlib.aclosing(client.watch(CONFIGMAPS, resource_version=version)) as events:
        await client.create(CONFIGMAPS, config_map("a"), "default")
        await client.delete(CONFIGMAPS, "a", "default")
        seen = [await anext(events) for _ in range(2)]
    assert [(event.type, event.object["metadata"]["name"]) for event in seen] == [
        ("ADDED", "a"),
        ("DELETED", "a"),
    ]


async def test_a_watch_of_the_future_is_refused(client: Client) -> None:
    with pytest.raises(StatusError) as caught:
        await anext(client.watch(CONFIGMAPS, resource_version="999999"))
    assert caught.value.code == 504


async def test_the_user_is_in_the_certificate(server: RunningApiserver) -> None:
    requests = find("certificates.k8s.io", "v1", "certificatesigningrequests")
    assert requests
    client = Client(server.target, server.authority.issue("system:node:n1", "system:nodes"))
    try:
        spec = {"request": encoded_request("x"), "signerName": "example.com/x", "usages": ["client auth"]}
        made = await client.create(requests, {"metadata": {"name": "r"}, "spec": spec})
        assert (made["spec"]["username"], made["spec"]["groups"]) == (
            "system:node:n1",
            ["system:nodes", "system:authenticated"],
        )
    finally:
        await client.close()


async def test_nobody_without_a_certificate_of_the_cluster(server: RunningApiserver) -> None:
    credentials = grpc.ssl_channel_credentials(server.tls.ca.read_bytes())
    async with grpc.aio.secure_channel(server.target, credentials) as channel:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.channel_ready(), 0.5)
    async with running_apiserver() as other:
        stranger = Client(server.target, replace(other.tls, ca=server.tls.ca))
        with pytest.raises(StatusError) as caught:
            await stranger.list(PODS)
        assert caught.value.code == 503
        await stranger.close()


async def test_a_cluster_has_its_namespaces_and_the_kubernetes_service(client: Client) -> None:
    names = [obj["metadata"]["name"] for obj in (await client.list(NAMESPACES)).items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    made = await client.get(SERVICES, "kubernetes", "default")
    port = made["spec"]["ports"][0]
    assert (made["spec"]["clusterIP"], port["port"]) == ("127.96.0.1", 443)
    endpoints = await client.get(ENDPOINTS, "kubernetes", "default")
    (slice_,) = (await client.list(ENDPOINTSLICES, "default")).items
    subset = endpoints["subsets"][0]
    assert subset["addresses"] == [{"ip": "127.0.0.1"}]
    assert subset["ports"][0]["port"] == slice_["ports"][0]["port"] == port["targetPort"]


async def test_rest_and_grpc_show_the_same(server: RunningApiserver, client: Client) -> None:
    made = await client.create(SERVICES, service("a"), "default")
    tls = ssl.create_default_context(cafile=str(server.tls.ca))
    tls.load_cert_chain(server.tls.cert, server.tls.key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        async with session.get(f"{server.url}/api/v1/namespaces/default/services/a") as response:
            assert await response.json() == made
        async with session.get(f"{server.url}/readyz") as response:
            assert response.status == 200


async def test_everything_is_there_after_a_restart_and_watches_go_on(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path) as server:
        client = Client(server.target, server.tls)
        made = await client.create(CONFIGMAPS, config_map("a"), "default")
        version = (await client.list(CONFIGMAPS)).resource_version
        await client.create(CONFIGMAPS, config_map("b"), "default")
        await client.close()
    async with running_apiserver(tmp_path) as server:
        client = Client(server.target, server.tls)
        assert await client.get(CONFIGMAPS, "a", "default") == made
        async with contextlib.aclosing(client.watch(CONFIGMAPS, resource_version=version)) as events:
            event = await anext(events)
        assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "b")
        await client.close()


async def test_open_watches_do_not_hold_up_a_stop() -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_apiserver())
        client = Client(server.target, server.tls)
        watches = [client.watch(CONFIGMAPS) for _ in range(3)]
        await client.create(CONFIGMAPS, config_map("a"), "default")
        for watch in watches:
            await anext(watch)
        pending = [asyncio.ensure_future(anext(watch)) for watch in watches]
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await stack.aclose()
        results = await asyncio.gather(*pending, return_exceptions=True)
        assert all(isinstance(result, StopAsyncIteration | StatusError) for result in results)
        await client.close()


async def test_one_data_directory_has_one_apiserver(tmp_path: Path) -> None:
    async with running_apiserver(tmp_path):
        with pytest.raises(UserError, match="is in use by another apiserver"):
            async with running_apiserver(tmp_path):
                pass


async def test_events_are_forgotten_after_an_hour() -> None:
    clock = FakeClock()
    async with running_apiserver(clock=clock) as server:
        client = Client(server.target, server.tls)

        def event(name: str) -> Object:
            about = {"kind": "Pod", "name": "p", "namespace": "default"}
            return {"metadata": {"name": name, "namespace": "default"}, "involvedObject": about}

        await client.create(EVENTS, event("old"))
        clock.advance(30)
        await client.create(EVENTS, event("new"))
        await sweep(server.registry, clock.now() + 3580)
        assert [obj["metadata"]["name"] for obj in (await client.list(EVENTS)).items] == ["new"]
        await client.close()


async def test_a_pod_is_bound_through_its_sub_resource(client: Client) -> None:
    await client.create(PODS, pod("p"), "default")
    target = {"kind": "Node", "name": "n1"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": target}
    await client.create(PODS, binding, "default", name="p", subresource="binding")
    assert (await client.get(PODS, "p", "default"))["spec"]["nodeName"] == "n1"


async def test_a_taken_port_is_named(tmp_path: Path, server: RunningApiserver) -> None:
    config = config_of(
        parse(
            f"--data-dir {tmp_path} --port 0 --grpc-address {server.target} --client-ca-file {server.tls.ca} "
            f"--tls-cert-file {server.tls.cert} --tls-private-key-file {server.tls.key} "
            f"--service-account-signing-key-file {server.tls.key}"
        )
    )
    with pytest.raises(UserError, match=f"cannot listen on --grpc-address {server.target}: Address already"):
        async with running(config):
            pass
    port = server.url.rpartition(":")[2]
    taken = replace(config, grpc_address="127.0.0.1:0", port=int(port))
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        async with running(taken):
            pass


def parse(flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(flags.split())


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--service-cluster-ip-range 10.0.0.1/16", "has host bits set"),
        ("", "--service-account-signing-key-file nowhere: No such file or directory"),
        ("--service-cluster-ip-range 10.0.0.0/30", "is too small"),
        ("--service-node-port-range 5-3", "must be FROM-TO"),
        ("--cluster-dns 10.0.0.1", "is not in --service-cluster-ip-range 127.96.0.0/16"),
        ("--advertise-address here", "--advertise-address here: "),
    ],
)
def test_a_wrong_flag_is_named(flag: str, message: str) -> None:
    required = "--data-dir d --client-ca-file a --tls-cert-file b --tls-private-key-file c"
    required += " --service-account-signing-key-file nowhere"
    with pytest.raises(UserError, match=message):
        config_of(parse(f"{required} {flag}"))
