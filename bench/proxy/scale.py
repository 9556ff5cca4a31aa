"""Many Services: how long the proxy takes to start, and to follow a change, and what it holds in memory."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench.apiserver import Apiserver
from bench.processes import listens, pss_mib
from bench.proxy.cluster import cluster
from bench.proxy.peers import podyard
from bench.proxy.services import TCP_PORT, WEB, Range, endpoint_slice
from podyard.api.resources import ENDPOINTSLICES
from podyard.client.client import Client

SIZES = (100, 1_000, 10_000)
ENDPOINTS = 25
CHANGES = 100
HERE = ("127.201.8.1", "127.201.8.2")
"""Two servers that say which they are; changes go from one to the other."""
COLUMNS = (
    "Services",
    "filling [s]",
    "start [s]",
    "change [ms]",
    "worst",
    "after the answer [ms]",
    "memory [MiB]",
    "of it the worker",
)


def run() -> None:
    """Measure each size once: the changes are many."""
    table = Table(title=f"One port and {ENDPOINTS} endpoints a Service, one worker", title_justify="left")
    for title in COLUMNS:
        table.add_column(title, justify="right")
    with servers():
        for size in SIZES:
            table.add_row(f"{size:,}", *measure(size))
    Console(width=140).print(table)
    print(
        "start: from the command to the first answer through the last Service\n"
        f"change: from the call of the API to the first connection that is led elsewhere, median of {CHANGES}"
    )


def measure(size: int) -> tuple[str, ...]:
    """One row."""
    addresses = Range("127.214", size)
    others = tuple(f"127.201.10.{number}" for number in range(1, ENDPOINTS))
    with cluster("127.214.0.0/16", "127.201.9.2") as server:
        began = time.monotonic()
        server.fill(addresses, (HERE[0], *others), ports=1)
        filled = time.monotonic() - began
        began = time.monotonic()
        with podyard(server.arguments, addresses, core="0,1") as peer:
            _until(addresses.address(size - 1), HERE[0])
            started = time.monotonic() - began
            if silent := [address for address in addresses.addresses() if not listens(address, TCP_PORT)]:
                raise RuntimeError(f"{len(silent)} Services are not served, such as {silent[0]}")
            whole, after = zip(*changes(server.server, size // 2, addresses.middle), strict=True)
            pids = peer.pids()
            memory, worker = pss_mib(pids), pss_mib(pids[1:])
    return (
        f"{filled:.1f}",
        f"{started:.2f}",
        f"{statistics.median(whole) * 1e3:.1f}",
        f"{max(whole) * 1e3:.1f}",
        f"{statistics.median(after) * 1e3:.1f}",
        f"{memory:.0f}",
        f"{worker:.0f}",
    )


def changes(server: Apiserver, number: int, address: str) -> list[tuple[float, float]]:
    """How long each of CHANGES takes, from the call and from its answer.

    The Service has one endpoint alone, then another.
    """

    async def change(client: Client, wanted: str) -> tuple[float, float]:
        began = time.perf_counter()
        await client.update(ENDPOINTSLICES, endpoint_slice(number, (wanted,), ports=1))
        answered = time.perf_counter()
        _until(address, wanted)
        done = time.perf_counter()
        return done - began, done - answered

    async def all_of_them(client: Client) -> list[tuple[float, float]]:
        await change(client, HERE[1])  # from all endpoints to one: not what is measured
        return [await change(client, HERE[count % 2]) for count in range(CHANGES)]

    return server.do(all_of_them)


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
