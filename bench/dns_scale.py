"""podyard's DNS server with many Services and pods: its start, an update, its memory."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.dns_load import Check, address_check, ask, connected
from bench.dns_peers import DOMAIN, PORT, start
from podyard.client.client import Object
from tests.support.objects_api import ObjectsApi, objects_api

ADDRESS = ("127.77.0.101", PORT)
SIZES = ((100, 10), (10_000, 10))
"""Services, and endpoints of each."""
FIRST_CLUSTER_IP = IPv4Address("127.96.1.0")
FIRST_POD_IP = IPv4Address("127.240.0.1")


def run(rounds: int) -> None:
    """Measure `rounds` times and print medians with their spread."""
    table = Table(title=f"DNS at scale, medians of {rounds}", title_justify="left")
    for title in ("Services", "pods", "start, s", "update in force, ms", "memory (PSS), MB", "aim, MB"):
        table.add_column(title, justify="right")
    for services, endpoints in SIZES:
        results = [asyncio.run(_measure(services, endpoints)) for _ in range(rounds)]
        cells = []
        for values in zip(*results, strict=True):
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
        pods = services * endpoints
        table.add_row(f"{services:,}", f"{pods:,}", *cells, f"{54 + (services + pods) / 1000:.0f}")
    Console(width=120).print(table)


async def _measure(services: int, endpoints: int) -> tuple[float, float, float]:
    lists = {
        "services": [service(number, str(FIRST_CLUSTER_IP + number)) for number in range(services)],
        "endpointslices": [_slice(number, endpoints) for number in range(services)],
        "namespaces": [{"metadata": {"name": "bench"}}],
    }
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as place:
        async with objects_api(lists) as api:
            log = Path(place) / "log"
            began = time.perf_counter()
            last = _check(services - 1, str(FIRST_CLUSTER_IP + services - 1))
            server = await asyncio.to_thread(start, "podyard", command(api, ADDRESS), ADDRESS, last, log)
            started = time.perf_counter() - began
            try:
                updates = [await _update(api, services // 2, number) for number in range(20)]
                return started, statistics.median(updates) * 1000, _pss(server.process.pid)
            finally:
                server.stop()


def command(api: ObjectsApi, address: tuple[str, int], *more: str) -> list[str]:
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


def _slice(number: int, endpoints: int) -> Object:
    name = f"service-{number}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "bench",
            "name": f"{name}-abcde",
            "uid": f"00000000-0000-0001-0000-{number:012}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kubernetes.io/service-name": name, "app": name},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [str(FIRST_POD_IP + number * endpoints + one)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{one}",
                "targetRef": {
                    "kind": "Pod",
                    "namespace": "bench",
                    "name": f"{name}-{one}",
                    "uid": f"00000000-0000-0002-{one:04}-{number:012}",
                },
            }
            for one in range(endpoints)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _check(number: int, address: str) -> Check:
    return address_check(f"service-{number}.bench.svc.{DOMAIN}", address)


async def _update(api: ObjectsApi, number: int, turn: int) -> float:
    """Seconds from the event's sending until the answer is the new one."""
    address = f"127.112.0.{turn + 1}"
    check = _check(number, address)
    began = time.perf_counter()
    await api.publish("services", "MODIFIED", service(number, address))
    while True:
        await asyncio.sleep(0)  # lets the event go out
        try:
            with connected(ADDRESS) as sock:
                ask(sock, check)
            return time.perf_counter() - began
        except ValueError:
            pass


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
