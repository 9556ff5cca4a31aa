"""A rolling update and a scale-down of a real Deployment under load: how many requests are lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench.cluster import new_cluster
from tests.e2e.harness import Namespace, eventually

RATE = 5_000
PROCESSES = 2
KEPT = 32
"""Connections of a process that keeps them."""
REPLICAS = 4
NODES = 2
SETTLED_SECONDS = 1.0


@dataclass
class Outcome:
    """What became of the requests."""

    answered: int = 0
    repeated: int = 0
    rate: float = 0.0
    longest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)


class Load:
    """PROCESSES load programs that run in the block; `outcome` is complete after it."""

    def __init__(self, address: str, rate: float, kept: int) -> None:
        words = [address, "80", str(rate / PROCESSES), str(kept)]
        self._command = [sys.executable, "-m", "bench.proxy.steady", *words]
        self._processes: list[subprocess.Popen[str]] = []
        self.outcome = Outcome()

    def __enter__(self) -> Load:
        for _ in range(PROCESSES):
            pipe = subprocess.PIPE
            self._processes.append(subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True))
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(SETTLED_SECONDS)
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
        for process in self._processes:
            found = json.loads(process.communicate()[0])
            self.outcome.answered += found["answered"]
            self.outcome.repeated += found["repeated"]
            self.outcome.rate += found["answered"] / found["seconds"]
            self.outcome.longest = max(self.outcome.longest, found["longest"])
            self.outcome.failures.update(found["failures"])


def run() -> None:
    """Measure with new connections, and with kept ones."""
    title = (
        f"{REPLICAS} pods of nginx, two rolling updates, scaled to 1 and up; {RATE:,} requests/s asked for"
    )
    table = Table(title=title, title_justify="left")
    for name in ("connections", "requests/s", "requests", "lost", "sent again", "longest answer [ms]"):
        table.add_column(name, justify="left" if name == "connections" else "right")
    failures: Counter[str] = Counter()
    with new_cluster() as cluster:
        cluster.up("--nodes", str(NODES))
        namespace = Namespace(cluster, "default")
        namespace.kubectl("create", "deployment", "web", "--image=nginx", f"--replicas={REPLICAS}")
        namespace.kubectl("expose", "deployment", "web", "--port=80")
        _scaled(namespace, REPLICAS)
        address = namespace.json("service", "web")["spec"]["clusterIP"]
        for what, kept in (("a request each", 0), (f"{KEPT * PROCESSES} kept", KEPT)):
            outcome = under_load(namespace, address, RATE, kept)
            failures += outcome.failures
            table.add_row(
                what,
                f"{outcome.rate:,.0f}",
                f"{outcome.answered + outcome.failures.total():,}",
                f"{outcome.failures.total():,}",
                f"{outcome.repeated:,}",
                f"{outcome.longest * 1e3:.0f}",
            )
    Console(width=140).print(table)
    for failure, count in failures.items():
        print(f"{count} x {failure}")


def under_load(namespace: Namespace, address: str, rate: float, kept: int) -> Outcome:
    """Change the Deployment in every way while requests go on."""
    with Load(address, rate, kept) as load:
        for turn in range(2):
            namespace.kubectl("set", "env", "deployment/web", f"LOAD={kept}", f"TURN={turn}")
            namespace.rolled_out("web")
        for replicas in (1, REPLICAS):
            namespace.kubectl("scale", "deployment/web", f"--replicas={replicas}")
            _scaled(namespace, replicas)
    return load.outcome


def _scaled(namespace: Namespace, replicas: int) -> None:
    eventually(lambda: len(namespace.addresses("web")) == replicas)
