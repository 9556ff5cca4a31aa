"""Two workers beside one: how much more they do, given that there are cores for them and for the load."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from bench.proxy import loads
from bench.proxy.cluster import cluster
from bench.proxy.faults import until_workers
from bench.proxy.peers import podyard
from bench.proxy.report import Figure, in_turn, show
from bench.proxy.services import Range

SECONDS = 3
FIGURES = (
    Figure("short connections", "1/s", 0, "1 worker", "≥ 1.8x"),
    Figure("keep-alive requests", "1/s", 0, "1 worker", "≥ 1.8x"),
    Figure("CPU per connection", "µs", 1, "1 worker", "1.0x"),
    Figure("CPU per request", "µs", 1, "1 worker", "1.0x"),
)


def run(rounds: int) -> None:
    """Measure and print. With two cores the load shares them, and only CPU times say something."""
    cores = os.cpu_count() or 1
    workers_on = f"2-{min(cores, 4) - 1}" if cores >= 4 else "0-1"
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as name, contextlib.ExitStack() as stack:
        stack.enter_context(loads.backends(Path(name)))
        ranges = {number: Range(f"127.{215 + number}", 10) for number in (1, 2)}
        peers = {}
        for number, addresses in ranges.items():
            server = stack.enter_context(cluster(f"{addresses.prefix}.0.0/16", f"127.201.9.{10 + number}"))
            server.fill(addresses)
            arguments = [*server.arguments, "--workers", str(number)]
            title = f"{number} worker{'s' if number > 1 else ''}"
            peers[title] = stack.enter_context(podyard(arguments, addresses, title, workers_on))
            until_workers(peers[title], number)

        def measure(name: str) -> dict[str, float]:
            short = loads.short_connections(peers[name], SECONDS, 64)
            kept = loads.keep_alive(peers[name], SECONDS, 64)
            return {
                "short connections": short.rate,
                "CPU per connection": short.cpu * 1e6,
                "keep-alive requests": kept.rate,
                "CPU per request": kept.cpu * 1e6,
            }

        samples = in_turn(rounds, list(peers), measure)
    show(f"One and two workers, cores {workers_on} of {cores}", list(peers), FIGURES, samples)
