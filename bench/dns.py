"""podyard's DNS server beside Knot DNS, NSD, unbound, dnsmasq and CoreDNS: 10,000 names, one core each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import dns_kill, dns_scale
from bench.dns_load import (
    Check,
    absence_check,
    address_check,
    dnsperf_result,
    flood,
    lone,
    percentile,
    start_dnsperf,
)
from bench.dns_peers import DOMAIN, PORT, Server, peers, start
from podyard.client.client import Object
from tests.support.objects_api import objects_api

SERVICE_COUNT = 10_000
FIRST_ADDRESS = IPv4Address("127.96.1.0")
LOAD_CORE = 1
FLOOD_SECONDS = 2.0
LONE_QUERIES = 5_000
LONE_SECONDS = 3.0
"""Enough, on a machine that has other work."""
LOADED_SECONDS = 5.0
"""How long dnsperf asks at most while the latency under load is measured."""
BACKGROUND_PER_SECOND = 30_000
"""What it asks then."""
OURS = "podyard"
ADDRESS = ("127.77.0.100", PORT)


Figures = dict[str, float]
"""By the row's title. One that ends in "/s" is the better the larger it is, others the smaller."""


@dataclass
class Names:
    """What is asked."""

    present: list[Check]
    absent: list[Check]
    file: Path
    faults: dict[str, list[str]] = field(default_factory=dict)
    """What went wrong, by server."""


def run(rounds: int) -> None:
    """Measure every server in turn, `rounds` times, and print medians with their spread."""
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as place:
        asyncio.run(_run(Path(place), rounds))
    dns_scale.run(rounds)
    dns_kill.run(rounds)


async def _run(directory: Path, rounds: int) -> None:
    services = cluster_services()
    async with objects_api({"services": services, "namespaces": [{"metadata": {"name": "bench"}}]}) as api:
        names = {
            f"{svc['metadata']['name']}.bench.svc.{DOMAIN}": svc["spec"]["clusterIP"] for svc in services
        }
        with contextlib.ExitStack() as stack:
            commands = peers(directory, names)
            commands[OURS] = (dns_scale.command(api, ADDRESS), ADDRESS)
            asked = _names(directory, names)
            servers = []
            for name, (command, address) in commands.items():
                log = directory / f"{name}.log"
                server = await asyncio.to_thread(
                    start, name, command, address, asked.present[-1], log, GOMAXPROCS="1"
                )
                stack.callback(server.stop)
                servers.append(server)
            await asyncio.to_thread(_measure, servers, asked, rounds)


def cluster_services() -> list[Object]:
    """Services of namespace `bench`, each with a cluster IP."""
    return [
        {
            "metadata": {"namespace": "bench", "name": f"service-{number}"},
            "spec": {
                "type": "ClusterIP",
                "clusterIP": str(FIRST_ADDRESS + number),
                "ports": [{"name": "http", "port": 80}],
            },
        }
        for number in range(SERVICE_COUNT)
    ]


def _names(directory: Path, services: dict[str, str]) -> Names:
    present = [address_check(name, address) for name, address in services.items()]
    absent = [absence_check(f"{name}.bench.svc.{DOMAIN}") for name in services]
    file = directory / "queries"
    file.write_text("".join(f"{name} A\n" for name in services))
    return Names(present, absent, file)


def _measure(servers: list[Server], names: Names, rounds: int) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    results: dict[str, dict[str, list[float]]] = {}
    for server in servers:
        _warm(server, names.present)
        _warm(server, names.absent)
    for number in range(rounds):
        for measure in (_present, _absent, _dnsperf, _lone, _loaded):
            for server in servers[::-1] if number % 2 else servers:
                for title, value in measure(server, names).items():
                    results.setdefault(title, {}).setdefault(server.name, []).append(value)
    Console(width=160).print(table(results, rounds))
    for name, faults in names.faults.items():
        print(f"{name}: {', '.join(faults)}")


def _warm(server: Server, checks: list[Check]) -> None:
    """Ask for everything once: the first answer to a question may take longer than the next ones."""
    done = 0
    while done < len(checks):
        done += flood(server.address, checks[done:], FLOOD_SECONDS / 4, server.process.pid).answered


def _present(server: Server, names: Names) -> Figures:
    return _flood("a name that is there", names.present, server, names)


def _absent(server: Server, names: Names) -> Figures:
    return _flood("a name that is not", names.absent, server, names)


def _flood(what: str, checks: list[Check], server: Server, names: Names) -> Figures:
    result = flood(server.address, checks, FLOOD_SECONDS, server.process.pid)
    if result.wrong or result.lost:
        fault = f"{what}: {result.wrong} wrong and {result.lost} lost of {result.answered}"
        names.faults.setdefault(server.name, []).append(fault)
    return {
        f"{what}, full load, /s": result.per_second,
        f"{what}, CPU, µs": result.processor_microseconds,
    }


def _dnsperf(server: Server, names: Names) -> Figures:
    rate, lost = dnsperf_result(start_dnsperf(server.address, names.file, FLOOD_SECONDS))
    if lost:
        names.faults.setdefault(server.name, []).append(f"dnsperf: {lost} lost")
    return {"dnsperf, /s": rate}


def _lone(server: Server, names: Names) -> Figures:
    taken = lone(server.address, names.present, LONE_QUERIES, LONE_SECONDS)
    return {
        "one query at a time, p50, µs": percentile(taken, 0.5) * 1e6,
        "one query at a time, p99, µs": percentile(taken, 0.99) * 1e6,
    }


def _loaded(server: Server, names: Names) -> Figures:
    background = start_dnsperf(server.address, names.file, LOADED_SECONDS, BACKGROUND_PER_SECOND)
    try:
        taken = lone(server.address, names.present, LONE_QUERIES, LONE_SECONDS)
    finally:
        background.terminate()
        background.wait()
    load = f"at {BACKGROUND_PER_SECOND:,}/s"
    return {
        f"{load}, p50, µs": percentile(taken, 0.5) * 1e6,
        f"{load}, p99, µs": percentile(taken, 0.99) * 1e6,
    }


def table(results: dict[str, dict[str, list[float]]], rounds: int) -> Table:
    """Medians by row and server, and OURS as a ratio to the best of the others, round by round."""
    title = f"DNS, {SERVICE_COUNT:,} names, one core each, medians of {rounds}"
    made = Table(title=title, title_justify="left")
    made.add_column("figure")
    for name in next(iter(results.values())):
        made.add_column(name, justify="right")
    made.add_column("to the best of the others", justify="right")
    made.add_column("(spread)")
    for row, by_server in results.items():
        medians = {name: statistics.median(values) for name, values in by_server.items()}
        others = {name: value for name, value in medians.items() if name != OURS}
        best = (max if row.endswith("/s") else min)(others, key=lambda name: others[name])
        ratios = [ours / theirs for ours, theirs in zip(by_server[OURS], by_server[best], strict=True)]
        digits = 0 if row.endswith("/s") else 1
        cells = [f"{value:,.{digits}f}" for value in medians.values()]
        spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
        made.add_row(row, *cells, f"{statistics.median(ratios):.2f} x {best}", spread)
    return made
