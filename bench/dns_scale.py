"""podyard's DNS server with many Services and pods: its start, an update, its memory."""

from __future__ import annotations

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.apiserver import Apiserver, apiserver
from bench.dns_load import Check, address_check, ask, connected
from bench.dns_peers import DOMAIN, PORT, start
from bench.processes import pss_mib
from podyard.api.resources import ENDPOINTSLICES, NAMESPACES, SERVICES, Resource
from podyard.client.client import Client, Object
from tests.support.objects_api import ObjectsApi

ADDRESS = ("127.77.0.101", PORT)
SIZES = ((100, 10), (10_000, 10))
"""Services, and endpoints of each."""
CIDR = "127.96.0.0/16"
FIRST_CLUSTER_IP = IPv4Address("127.96.1.0")
FIRST_POD_IP = IPv4Address("127.240.0.1")
UPDATES = 50


def run(rounds: int) -> None:
    """Measure `rounds` times and print medians with their spread."""
    table = Table(title=f"DNS at scale, medians of {rounds}", title_justify="left")
    titles = ("Services", "pods", "start, s", "update in force, ms", "after the answer, ms")
    for title in (*titles, "memory (PSS), MB", "aim, MB"):
        table.add_column(title, justify="right")
    for services, endpoints in SIZES:
        with apiserver(CIDR) as api, tempfile.TemporaryDirectory(prefix="podyard-bench-") as place:
            api.create([(NAMESPACES, {"metadata": {"name": "bench"}})])
            api.create(_objects(services, endpoints))
            results = [_measure(api, services, Path(place) / "log") for _ in range(rounds)]
        cells = []
        for values in zip(*results, strict=True):
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
        pods = services * endpoints
        table.add_row(f"{services:,}", f"{pods:,}", *cells, f"{54 + (services + pods) / 1000:.0f}")
    Console(width=140).print(table)
    print("update: from the call of the API, with an endpoint of a headless Service, to the first new answer")


def _objects(services: int, endpoints: int) -> Iterator[tuple[Resource, Object]]:
    for number in range(services):
        headless = number == _headless(services)
        yield SERVICES, service(number, "None" if headless else str(FIRST_CLUSTER_IP + number))
        yield (
            ENDPOINTSLICES,
            _slice(number, [FIRST_POD_IP + number * endpoints + i for i in range(endpoints)]),
        )


def _headless(services: int) -> int:
    """The one whose endpoints change; those of the others are not in DNS."""
    return services // 2


def _measure(api: Apiserver, services: int, log: Path) -> tuple[float, float, float, float]:
    last = _check(services - 1, str(FIRST_CLUSTER_IP + services - 1))
    began = time.perf_counter()
    server = start("podyard", command(api, ADDRESS), ADDRESS, last, log)
    started = time.perf_counter() - began
    try:
        whole, after = zip(*_updates(api, _headless(services)), strict=True)
        memory = pss_mib([server.process.pid])
    finally:
        server.stop()
    return started, statistics.median(whole) * 1000, statistics.median(after) * 1000, memory


def command(api: ObjectsApi | Apiserver, address: tuple[str, int], *more: str) -> list[str]:
    """podyard's server."""
    assert api.tls is not None
    return [
        sys.executable, "-m", "podyard.cli", "dns", "--address", address[0], "--port", str(address[1]),
        "--server", api.target, "--ca-file", str(api.tls.ca), "--cert-file", str(api.tls.cert),
        "--key-file", str(api.tls.key), "--upstream", "127.0.0.1:1", *more,
    ]  # fmt: skip


def service(number: int, address: str) -> Object:
    """As the apiserver gives it."""
    name = f"service-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "namespace": "bench",
            "name": name,
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": name},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
        "status": {"loadBalancer": {}},
    }


def _slice(number: int, addresses: Sequence[IPv4Address]) -> Object:
    name = f"service-{number}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "bench",
            "name": f"{name}-abcde",
            "labels": {"kubernetes.io/service-name": name, "app": name},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [str(address)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{place}",
                "targetRef": {
                    "kind": "Pod",
                    "namespace": "bench",
                    "name": f"{name}-{place}",
                    "uid": f"00000000-0000-0002-{place:04}-{number:012}",
                },
            }
            for place, address in enumerate(addresses)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _check(number: int, address: str) -> Check:
    return address_check(f"service-{number}.bench.svc.{DOMAIN}", address)


def _updates(api: Apiserver, number: int) -> list[tuple[float, float]]:
    """How long each of UPDATES takes until the answer is the new one, from the call and from its answer."""

    async def update(client: Client, address: IPv4Address) -> tuple[float, float]:
        check = _check(number, str(address))
        began = time.perf_counter()
        await client.update(ENDPOINTSLICES, _slice(number, [address]))
        answered = time.perf_counter()
        with connected(ADDRESS) as sock:
            while not _is_so(sock, check):
                pass
        done = time.perf_counter()
        return done - began, done - answered

    async def all_of_them(client: Client) -> list[tuple[float, float]]:
        return [await update(client, FIRST_CLUSTER_IP + turn) for turn in range(UPDATES)]

    return api.do(all_of_them)


def _is_so(sock: socket.socket, check: Check) -> bool:
    try:
        ask(sock, check)
    except ValueError:
        return False
    return True
