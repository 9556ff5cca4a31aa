"""The whole proxy's main, two nodes of them, against a real apiserver."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

from podyard.api.resources import ENDPOINTSLICES, EVENTS, SERVICES
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.process import tls
from podyard.proxy import command
from podyard.proxy.listeners import Runtime
from podyard.proxy.listeners.tcp import TcpListener, listen
from podyard.proxy.metrics import ProxyMetrics
from podyard.proxy.slim import TRIGGER_TIME
from podyard.proxy.sockets import bind
from podyard.proxy.table import Frontend, Rule
from tests.support.apiserver import running_apiserver

from .conftest import fresh_address
from .objects import Object, endpoint, service, slice_of

SERVICES_CIDR = "127.200.0.0/16"
SYNC = "kubeproxy_sync_proxy_rules_duration_seconds"
PROGRAMMING = "kubeproxy_network_programming_duration_seconds"


@pytest.fixture(autouse=True)
def two_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two proxies cannot both publish the same metrics in one process' registry."""
    monkeypatch.setattr(ProxyMetrics, "publish", lambda self: None)
    monkeypatch.setattr(ProxyMetrics, "withdraw", lambda self: None)


def start(target: str, files: tls.TlsFiles, node: str, address: str) -> asyncio.Task[None]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = ["--node-name", node, "--node-ip", address, "--server", target]
    arguments += ["--ca-file", str(files.ca), "--cert-file", str(files.cert), "--key-file", str(files.key)]
    return asyncio.create_task(command.main(parser.parse_args(arguments)))


@contextlib.asynccontextmanager
async def pod(address: str, port: int) -> AsyncIterator[None]:
    """A server that says its address."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(address.encode())
        writer.close()

    server = await asyncio.start_server(serve, address, port)
    try:
        yield
    finally:
        server.close()


async def ask(address: str, port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection(address, port)
        answer = await reader.read()
        writer.close()
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"
    return answer.decode()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():  # noqa: ASYNC110 (what another process does has no Event here)
            await asyncio.sleep(0.005)


async def answers(address: str, port: int, *expected: str) -> None:
    async def check() -> bool:
        return {await ask(address, port) for _ in range(12)} == set(expected)

    await eventually(check)


async def test_forwarding_follows_the_cluster() -> None:
    one, two, node1, node2, cluster_ip = (fresh_address() for _ in range(5))
    async with running_apiserver(service_cidr=SERVICES_CIDR) as apiserver, pod(one, 8080), pod(two, 8080):
        client = Client(apiserver.target, apiserver.tls)
        proxies = [
            start(apiserver.target, apiserver.tls, name, where)
            for name, where in (("node1", node1), ("node2", node2))
        ]
        ports = [{"port": 80, "nodePort": 30080, "protocol": "TCP", "targetPort": 8080}]
        made = service(clusterIP=cluster_ip, type="NodePort", ports=ports)
        await client.create(SERVICES, strip(made))
        assert await ask(cluster_ip, 80) == "refused"
        piece = await client.create(ENDPOINTSLICES, strip(slice_of("web", endpoint(one), endpoint(two))))
        await answers(cluster_ip, 80, one, two)
        await answers(node1, 30080, one, two)
        await answers(node2, 30080, one, two)

        piece["endpoints"] = piece["endpoints"][1:]
        piece = await client.update(ENDPOINTSLICES, piece)
        await answers(cluster_ip, 80, two)

        proxies.pop().cancel()
        await answers(node2, 30080, "refused")
        await answers(cluster_ip, 80, two)

        piece["endpoints"] = []
        await client.update(ENDPOINTSLICES, piece)
        await answers(cluster_ip, 80, "refused")

        proxies.pop().cancel()
        await client.close()


async def test_a_taken_port_is_an_event_of_the_service(address: str) -> None:
    cluster_ip = fresh_address()
    async with running_apiserver(service_cidr=SERVICES_CIDR) as apiserver:
        client = Client(apiserver.target, apiserver.tls)
        with socket.socket() as holder:
            holder.bind((cluster_ip, 80))
            holder.listen()
            proxy = start(apiserver.target, apiserver.tls, "node1", address)
            await client.create(SERVICES, strip(service(clusterIP=cluster_ip)))
            await client.create(ENDPOINTSLICES, strip(slice_of("web", endpoint(address))))
            messages: list[str] = []

            async def reported() -> bool:
                events = await client.list(EVENTS, "default")
                messages[:] = [f"{one['reason']}: {one['message']}" for one in events.items]
                return bool(messages)

            await eventually(reported)
        expected = f"proxy of node node1 cannot listen on {cluster_ip}:80/TCP: Address already in use"
        assert messages == [f"FailedToListen: {expected}"]
        proxy.cancel()
        await asyncio.gather(proxy, return_exceptions=True)
        await client.close()


async def test_an_apiserver_that_comes_late_and_goes_is_no_trouble(address: str, runtime: Runtime) -> None:
    """The proxy waits for the apiserver, and forwards on without it."""
    one, cluster_ip = fresh_address(), fresh_address()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        free_port = sock.getsockname()[1]
    async with pod(one, 8080):
        async with running_apiserver(service_cidr=SERVICES_CIDR) as apiserver:
            client = Client(apiserver.target, apiserver.tls)
            await client.create(SERVICES, strip(service(clusterIP=cluster_ip)))
            await client.create(ENDPOINTSLICES, strip(slice_of("web", endpoint(one))))
            await client.close()

            proxy = start(f"127.0.0.1:{free_port}", apiserver.tls, "node1", address)
            await asyncio.sleep(0.2)  # it has tried in vain by now, or will: both must do
            assert await ask(cluster_ip, 80) == "refused"
            assert not proxy.done()

            host, _, port = apiserver.target.rpartition(":")
            rule = Rule(("", ""), "", "", ((host, int(port)),))
            sock = bind(Frontend("TCP", "127.0.0.1", free_port))
            listen(sock)
            door = TcpListener(rule, sock, runtime)
            await answers(cluster_ip, 80, one)
            door.close()
        await answers(cluster_ip, 80, one)
        proxy.cancel()
        await asyncio.gather(proxy, return_exceptions=True)
        assert await ask(cluster_ip, 80) == "refused"


async def test_how_long_changes_take_is_shown(address: str) -> None:
    """That of the proxy's own part, and that since the pod or the Service changed."""
    one, two, cluster_ip = (fresh_address() for _ in range(3))
    async with running_apiserver(service_cidr=SERVICES_CIDR) as apiserver, pod(one, 8080), pod(two, 8080):
        client = Client(apiserver.target, apiserver.tls)
        proxy = start(apiserver.target, apiserver.tls, "node1", address)
        await client.create(SERVICES, strip(service(clusterIP=cluster_ip)))
        piece = await client.create(ENDPOINTSLICES, strip(slice_of("web", endpoint(one))))
        await answers(cluster_ip, 80, one)
        before = {name: shown(name) for name in (SYNC, PROGRAMMING)}
        piece["endpoints"] = [endpoint(two)]
        piece["metadata"]["annotations"] = {TRIGGER_TIME: to_rfc3339(time.time() - 100)}
        await client.update(ENDPOINTSLICES, piece)
        await answers(cluster_ip, 80, two)
        proxy.cancel()
        await asyncio.gather(proxy, return_exceptions=True)
        await client.close()
    count, seconds = (shown(SYNC)[field] - before[SYNC][field] for field in (0, 1))
    assert count >= 1
    assert 0 < seconds < 20
    count, seconds = (shown(PROGRAMMING)[field] - before[PROGRAMMING][field] for field in (0, 1))
    assert count == 1
    assert 100 <= seconds < 120


def shown(histogram: str) -> tuple[float, float]:
    """How many were observed, and their sum."""
    count, total = (REGISTRY.get_sample_value(f"{histogram}_{field}") for field in ("count", "sum"))
    assert count is not None
    assert total is not None
    return count, total


def strip(obj: Object) -> Object:
    """Without what only the apiserver may set."""
    metadata = {
        key: obj["metadata"][key] for key in ("namespace", "name", "labels") if key in obj["metadata"]
    }
    return {**obj, "metadata": metadata}
