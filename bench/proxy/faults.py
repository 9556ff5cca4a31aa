"""kill -9 under load: how many requests are lost, and how long nobody listens."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.processes import family
from bench.proxy import loads
from bench.proxy.cluster import cluster
from bench.proxy.peers import Peer, podyard
from bench.proxy.services import TCP_PORT, Range
from tests.support.load import Load

RATE = 400
AWAY_SECONDS = 0.5
"""How long a supervisor takes to start another proxy, without counting its start."""


def run(rounds: int) -> None:
    """Kill a worker of one, a worker of two, and the proxy itself with another one following."""
    table = Table(title=f"kill -9 at {RATE} requests/s and 4 kept connections", title_justify="left")
    for title in ("killed", "requests", "lost, by round", "longest wait for a connection [ms]"):
        table.add_column(title, justify="left" if title == "killed" else "right")
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as name, contextlib.ExitStack() as stack:
        stack.enter_context(loads.backends(Path(name)))
        addresses = Range("127.215", 10)
        server = stack.enter_context(cluster("127.215.0.0/16", "127.201.9.3"))
        server.fill(addresses)

        def round_of(workers: int, kill: Callable[[Peer], None]) -> tuple[int, int, float]:
            with podyard([*server.arguments, "--workers", str(workers)], addresses, core="0,1") as peer:
                until_workers(peer, workers)
                with Load([(peer.address, TCP_PORT)], RATE, keepers=4) as load:
                    time.sleep(1)
                    kill(peer)
                    time.sleep(2)
            return load.answered, len(load.failures), load.longest_connect

        def kill_proxy(peer: Peer) -> None:
            assert peer.process is not None
            os.kill(peer.process.pid, signal.SIGKILL)
            time.sleep(AWAY_SECONDS)
            stack.enter_context(podyard(server.arguments, addresses, core="0,1"))

        for what, workers, kill in (
            ("the only worker", 1, kill_worker),
            ("one of two workers", 2, kill_worker),
            (f"the proxy, another starts {AWAY_SECONDS:g} s later", 1, kill_proxy),
        ):
            found = [round_of(workers, kill) for _ in range(rounds)]
            requests, lost, waits = zip(*found, strict=True)
            table.add_row(what, f"{sum(requests):,}", ", ".join(map(str, lost)), f"{max(waits) * 1e3:.0f}")
    Console(width=140).print(table)


def kill_worker(peer: Peer) -> None:
    """The first one that it has."""
    assert peer.process is not None
    os.kill(family(peer.process.pid)[1], signal.SIGKILL)


def until_workers(peer: Peer, number: int) -> None:
    """Wait until all run."""
    while len(peer.pids()) < 1 + number:
        time.sleep(0.01)
