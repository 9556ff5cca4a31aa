"""The comparison: every peer with the same 1,000 Services, one after the other in every round."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from bench.proxy import loads
from bench.proxy.cluster import cluster
from bench.proxy.peers import Peer, direct, haproxy, nginx_stream, podyard
from bench.proxy.report import Figure, in_turn, show
from bench.proxy.services import Range

SERVICES = 1000
SECONDS = 3
PIPE_BYTES = 1 << 20

FIGURES = (
    Figure("short connections", "1/s", 0, "HAProxy", "≥ 1.0x HAProxy"),
    Figure("CPU per connection", "µs", 1, "HAProxy", "≤ 1.0x"),
    Figure("keep-alive requests", "1/s", 0, "HAProxy", "≥ 1.0x"),
    Figure("CPU per request", "µs", 1, "HAProxy", "≤ 1.0x"),
    Figure("p50, 1 connection", "µs", 0, "HAProxy", "≤ 1.0x"),
    Figure("p99, 1 connection", "µs", 0, "HAProxy", "≤ 1.0x"),
    Figure("p50, 32 connections", "µs", 0, "HAProxy", "≤ 1.0x"),
    Figure("p99, 32 connections", "µs", 0, "HAProxy", "≤ 1.0x"),
    Figure("bulk, 1 connection", "GB/s", 2, "HAProxy", "≥ 1.0x"),
    Figure("bulk, 16 connections", "GB/s", 2, "HAProxy, 1 MiB pipes", "≥ 1.2x the tuned one"),
    Figure("CPU per GB, 16", "s", 2, "HAProxy, 1 MiB pipes", ""),
    Figure("UDP, there and back", "1/s", 0, "nginx stream", "≥ 1.0x nginx"),
    Figure("CPU per datagram and answer", "µs", 1, "nginx stream", ""),
    Figure("idle connection", "KiB", 2, "HAProxy", "≤ 0.5x"),
)


def run(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(loads.backends(folder))
        ours = Range("127.210", SERVICES)
        server = stack.enter_context(cluster("127.210.0.0/16", "127.201.9.1"))
        server.fill(ours)
        made = (
            podyard(server.arguments, ours),
            haproxy(folder, Range("127.211", SERVICES)),
            haproxy(folder, Range("127.212", SERVICES), PIPE_BYTES),
            nginx_stream(folder, Range("127.213", SERVICES)),
            direct(),
        )
        peers = {peer.name: peer for peer in map(stack.enter_context, made)}
        for peer in peers.values():
            loads.short_connections(peer, 1)  # all of them have begun
        idle = {name: [loads.idle_memory(peer)] for name, peer in peers.items() if peer.process}
        samples = in_turn(rounds, list(peers), lambda name: measure(peers[name]))
        samples["idle connection"] = idle
    spread = "± half the range"
    title = (
        f"{SERVICES} Services, {os.cpu_count()} cores, medians of {rounds} rounds of {SECONDS} s ({spread})"
    )
    show(title, list(peers), FIGURES, samples)


def measure(peer: Peer) -> dict[str, float]:
    """One round of one peer."""
    found: dict[str, float] = {}
    if peer.name != "HAProxy, 1 MiB pipes":
        short = loads.short_connections(peer, SECONDS)
        found["short connections"], found["CPU per connection"] = short.rate, short.cpu * 1e6
        kept = loads.keep_alive(peer, SECONDS)
        found["keep-alive requests"], found["CPU per request"] = kept.rate, kept.cpu * 1e6
        found["p50, 32 connections"], found["p99, 32 connections"] = kept.p50, kept.p99
        lone = loads.lone(peer, SECONDS)
        found["p50, 1 connection"], found["p99, 1 connection"] = lone.p50, lone.p99
    found["bulk, 1 connection"] = loads.bulk(peer, SECONDS, 1).rate / 1e9
    many = loads.bulk(peer, SECONDS, 16)
    found["bulk, 16 connections"], found["CPU per GB, 16"] = many.rate / 1e9, many.cpu * 1e9
    if not peer.name.startswith("HAProxy"):
        udp = loads.udp(peer, SECONDS)
        found["UDP, there and back"], found["CPU per datagram and answer"] = udp.rate, udp.cpu * 1e6
    if not peer.process:
        found = {figure: value for figure, value in found.items() if "CPU" not in figure}
    return found
