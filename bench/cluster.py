"""How long a cluster takes to start, what it holds in memory, and how fast a Deployment serves."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.processes import pss_mib
from podyard.api.resources import ENDPOINTS
from podyard.client.client import Client
from podyard.process.tls import TlsFiles
from tests.e2e.harness import Cluster
from tests.e2e.tools import kubectls

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(rounds: int) -> None:
    """Measure `rounds` times and print medians with their spread."""
    table = Table(title=f"One machine, {os.cpu_count()} cores, medians of {rounds}", title_justify="left")
    for title in ("figure", "median", "min", "max", "aim", "elsewhere"):
        table.add_column(title, justify="left" if title in ("figure", "elsewhere") else "right")
    for nodes, aim in ((1, ""), (3, "3 s")):
        first, again, memory, served = [], [], [], []
        for _ in range(rounds):
            with new_cluster() as cluster:
                first.append(_start(cluster, nodes))
                memory.append(_settled_memory(cluster))
                cluster.down()
                again.append(_start(cluster, nodes))
                served.append(asyncio.run(_apply_to_endpoints(cluster)))
        plural = "s" if nodes > 1 else ""
        _row(
            table,
            f"first `podyard up -d`, {nodes} node{plural}, to DNS",
            "s",
            first,
            aim,
            "k3d 20 s, kind 33 s",
        )
        _row(table, f"later `podyard up -d`, {nodes} node{plural}, to DNS", "s", again, aim, "")
        _row(
            table,
            f"memory at idle (PSS), {nodes} node{plural}",
            "MB",
            memory,
            "350 MB" if nodes > 1 else "",
            "k0s 510 MB",
        )
        _row(table, f"apply to both pods in Endpoints, {nodes} node{plural}", "s", served, "1 s", "")
    Console(width=140).print(table)


def _row(table: Table, figure: str, unit: str, values: list[float], aim: str, elsewhere: str) -> None:
    digits = 2 if unit == "s" else 0
    numbers = (statistics.median(values), min(values), max(values))
    table.add_row(figure, *(f"{number:.{digits}f} {unit}" for number in numbers), aim, elsewhere)


@contextmanager
def new_cluster() -> Iterator[Cluster]:
    """One that is not up yet; it is gone after the block."""
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as home:
        cluster = Cluster(Path(home), f"bench-{os.getpid()}", next(iter(kubectls().values()), "kubectl"))
        try:
            yield cluster
        finally:
            cluster.podyard("down", "--purge", ok=False)


def _start(cluster: Cluster, nodes: int) -> float:
    """Seconds from the command's start until it says that every node is ready and DNS answers."""
    began = time.monotonic()
    cluster.up("--nodes", str(nodes))
    return time.monotonic() - began


def _settled_memory(cluster: Cluster) -> float:
    """Proportional set size of all its processes, in MB, once it stops changing."""
    last = _pss(cluster)
    while True:
        time.sleep(1)
        now = _pss(cluster)
        if abs(now - last) < 0.5:
            return now
        last = now


def _pss(cluster: Cluster) -> float:
    home = str(cluster.home).encode()
    total = 0.0
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and home in (entry / "environ").read_bytes()
                and int(entry.name) != os.getpid()
            ):
                total += pss_mib([int(entry.name)])
        except (OSError, StopIteration):
            continue
    return total


async def _apply_to_endpoints(cluster: Cluster) -> float:
    """Seconds from the start of `kubectl apply` until the Endpoints list both pods."""
    cluster.kubectl("apply", "-f", str(EXAMPLES / "nginx-svc.yaml"))
    pki = cluster.config.path / "pki"
    client = Client(cluster.config.server, TlsFiles(pki / "ca.crt", pki / "admin.crt", pki / "admin.key"))
    try:
        listed = await client.list(ENDPOINTS, "default")
        began = time.monotonic()
        manifest = str(EXAMPLES / "run-my-nginx.yaml")
        applying = await asyncio.create_subprocess_exec(
            cluster.kubectl_path, "apply", "-f", manifest, env=cluster.env, stdout=asyncio.subprocess.DEVNULL
        )
        async for event in client.watch(ENDPOINTS, "default", resource_version=listed.resource_version):
            subsets = event.object.get("subsets") or []
            if (
                event.object["metadata"].get("name") == "my-nginx"
                and sum(len(subset.get("addresses") or []) for subset in subsets) == 2
            ):
                break
        seconds = time.monotonic() - began
        await applying.wait()
        return seconds
    finally:
        await client.close()
