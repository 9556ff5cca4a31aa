"""What a kill -9 of a DNS process costs under load: queries lost, and how long until it listens again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import struct
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.dns_load import LOST_SECONDS, Check, address_check, is_right
from bench.dns_peers import DOMAIN, PORT, launch, start
from bench.dns_scale import command, service
from tests.support.objects_api import objects_api

ADDRESS = ("127.77.0.102", PORT)
SERVICES = 1_000
PER_MILLISECOND = 10
SOCKETS = 64
SECONDS = 3.0
KILL_AFTER = 1.0
CLUSTER_IP = "127.96.2.1"


@dataclass
class _Load:
    """Queries at a steady rate from many sockets, and which of them have no answer."""

    check: Check
    open: dict[tuple[int, int], float] = field(default_factory=dict)
    sent: int = 0
    refused: list[float] = field(default_factory=list)

    def run(self, seconds: float, socks: list[socket.socket]) -> None:
        """Send and receive for so long."""
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            for _ in range(PER_MILLISECOND):
                self._send(socks[self.sent % len(socks)], now)
            self._receive(socks)
            time.sleep(max(now + 0.001 - time.perf_counter(), 0))

    def _send(self, sock: socket.socket, now: float) -> None:
        number = self.sent = self.sent + 1
        try:
            sock.send(struct.pack("!H", number & 0xFFFF) + self.check[0])
            self.open[sock.fileno(), number & 0xFFFF] = now
        except ConnectionRefusedError:
            self.refused.append(now)

    def _receive(self, socks: list[socket.socket]) -> None:
        for sock in socks:
            while True:
                try:
                    answer = sock.recv(4096)
                except BlockingIOError:
                    break
                except ConnectionRefusedError:
                    continue
                if is_right(answer, self.check):
                    self.open.pop((sock.fileno(), int.from_bytes(answer[:2], "big")), None)


def run(rounds: int) -> None:
    """Measure `rounds` times and print medians with their spread."""
    rate = PER_MILLISECOND * 1000
    title = f"kill -9 of a DNS process, {rate:,} queries/s, medians of {rounds}"
    table = Table(title=title, title_justify="left")
    for name in ("processes", "lost queries", "the last one lost, ms after the kill", "listening again, ms"):
        table.add_column(name, justify="right")
    for workers in (1, 2):
        results = [asyncio.run(_measure(workers)) for _ in range(rounds)]
        cells = []
        for values in zip(*results, strict=True):
            cells.append(f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})")
        table.add_row(str(workers), *cells)
    Console(width=120).print(table)


async def _measure(workers: int) -> tuple[float, float, float]:
    services = [service(number, CLUSTER_IP) for number in range(SERVICES)]
    with tempfile.TemporaryDirectory(prefix="podyard-bench-") as place:
        async with objects_api(
            {"services": services, "namespaces": [{"metadata": {"name": "bench"}}]}
        ) as api:
            words = command(api, ADDRESS, "--workers", str(workers))
            check = address_check(f"service-0.bench.svc.{DOMAIN}", CLUSTER_IP)
            return await asyncio.to_thread(_kill, words, check, Path(place) / "log", workers)


def _kill(words: list[str], check: Check, log: Path, workers: int) -> tuple[float, float, float]:
    server = start("podyard", words, ADDRESS, check, log)
    socks = [_socket() for _ in range(SOCKETS)]
    try:
        while _listeners() < workers:
            time.sleep(0.01)
        load = _Load(check)
        load.run(KILL_AFTER, socks)
        victim = _children(server.process.pid)[0] if workers > 1 else server.process.pid
        os.kill(victim, signal.SIGKILL)
        killed = time.perf_counter()
        if workers == 1:  # what `podyard up` does when a process ends
            server.process.wait()
            server = launch("podyard", words, ADDRESS, log)
        again = 0.0
        while time.perf_counter() < killed + SECONDS:
            load.run(0.01, socks)
            if not again and _listeners() == workers and not Path(f"/proc/{victim}").exists():
                again = time.perf_counter() - killed
        load.run(LOST_SECONDS, socks)
        lost = [when for when in load.open.values() if when < time.perf_counter() - LOST_SECONDS]
        last = max([*lost, *load.refused], default=killed) - killed
        return len(lost) + len(load.refused), last * 1000, again * 1000
    finally:
        for sock in socks:
            sock.close()
        server.stop()


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.connect(ADDRESS)
    return sock


def _listeners() -> int:
    """UDP sockets that are bound to the address (proc(5))."""
    word = f"{socket.inet_aton(ADDRESS[0])[::-1].hex().upper()}:{ADDRESS[1]:04X}"
    return sum(line.split()[1] == word for line in Path("/proc/net/udp").read_text().splitlines())


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
