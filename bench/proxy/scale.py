"""Many Services: how long the proxy takes to start, and to follow a change, and what it holds in memory."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.proxy.cluster import Cluster, cluster
from bench.proxy.cpu import pss_mib
from bench.proxy.peers import podyard
from bench.proxy.services import TCP_PORT, WEB, Range, endpoint_slice
from podyard.api.resources import ENDPOINTSLICES
from podyard.client.client import Client

SIZES = (100, 1_000, 10_000)
ENDPOINTS = 25
CHANGES = 20
HERE = ("127.201.8.1", "127.201.8.2")
"""Two servers that say which they are; changes go from one to the other."""


def run() -> None:
    """Measure each size once: it takes long to prepare, and the changes are many."""
    table = Table(title=f"One port and {ENDPOINTS} endpoints a Service, one worker", title_justify="left")
    for title in ("Services", "start [s]", "change [ms]", "worst [ms]", "memory [MiB]", "of it the worker"):
        table.add_column(title, justify="right")
    with servers():
        for size in SIZES:
            table.add_row(f"{size:,}", *measure(size))
    Console(width=140).print(table)
    print("A change is timed from the call of the API to the first connection that is led elsewhere.")


def measure(size: int) -> tuple[str, ...]:
    """One row."""
    addresses = Range("127.214", size)
    others = tuple(f"127.201.10.{number}" for number in range(1, ENDPOINTS))
    with cluster("127.214.0.0/16", "127.201.9.2") as server:
        server.fill(addresses, (HERE[0], *others), ports=1)
        began = time.monotonic()
        with podyard(server.arguments, addresses) as peer:
            started = time.monotonic() - began
            seconds = changes(server, size // 2, addresses.middle)
            pids = peer.pids()
            memory, worker = pss_mib(pids), pss_mib(pids[1:])
    median, worst = statistics.median(seconds) * 1e3, max(seconds) * 1e3
    return f"{started:.2f}", f"{median:.1f}", f"{worst:.1f}", f"{memory:.0f}", f"{worker:.0f}"


def changes(server: Cluster, number: int, address: str) -> list[float]:
    """How long each of CHANGES takes: the Service has one endpoint alone, then the other."""
    found = []
    for count in range(CHANGES):
        wanted = HERE[count % 2]
        piece = {**endpoint_slice(number, (wanted,), ports=1)}

        async def update(client: Client, piece: dict[str, Any] = piece) -> None:
            await client.update(ENDPOINTSLICES, piece)

        if count == 0:  # from all endpoints to one: not what is measured
            server.do(update)
            _until(address, wanted)
            continue
        began = time.perf_counter()
        server.do(update)
        _until(address, wanted)
        found.append(time.perf_counter() - began)
    return found


def _until(address: str, wanted: str) -> None:
    while _ask(address) != wanted:
        pass


def _ask(address: str) -> str:
    try:
        with socket.create_connection((address, TCP_PORT)) as sock:
            return sock.recv(100).decode()
    except ConnectionError:
        return ""


@contextlib.contextmanager
def servers() -> Iterator[None]:
    """Say their address to everybody who connects."""

    def serve(listener: socket.socket, address: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.send(address.encode())

    listeners = [socket.create_server((address, WEB), backlog=1000) for address in HERE]
    for listener, address in zip(listeners, HERE, strict=True):
        threading.Thread(target=serve, args=(listener, address), daemon=True).start()
    try:
        yield
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
