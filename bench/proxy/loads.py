"""What is asked of a peer, and what comes out: wrk for HTTP, programs of our own for the rest."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import listens, running
from bench.proxy.cpu import LOAD_CORE, cpu_seconds, pinned, private_kib
from bench.proxy.peers import Peer, need, nginx
from bench.proxy.services import BACKENDS, BULK, BULK_PORT, TCP_PORT, UDP_PORT, WEB

IDLE = 4_000
_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


@dataclass(frozen=True, slots=True)
class Result:
    """What one run gave: operations (or bytes) a second, seconds of the proxy's CPU for each, latencies."""

    rate: float
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


@contextlib.contextmanager
def backends(folder: Path) -> Iterator[None]:
    """The servers behind every proxy: nginx for HTTP, bulk.py and udp.py."""
    listen = " ".join(f"listen {address}:{WEB} backlog=4096;" for address in BACKENDS)
    text = (
        "events { worker_connections 19000; }\n"
        "http { access_log off; keepalive_requests 1000000000; server { "
        + listen
        + ' location / { return 200 "hello from a pod, as small as they come\\n"; } } }\n'
    )
    bulk = pinned(LOAD_CORE, [sys.executable, "-m", "bench.proxy.bulk", "serve"])
    echo = pinned(LOAD_CORE, [sys.executable, "-m", "bench.proxy.udp", "serve"])
    with (
        nginx(folder / "web", text, LOAD_CORE, BACKENDS[1], WEB),
        running(bulk, lambda: listens(BACKENDS[1], BULK)),
        running(echo, lambda: True),
    ):
        yield


def short_connections(peer: Peer, seconds: int, connections: int = 32) -> Result:
    """A request on each connection."""
    return _wrk(peer, seconds, connections, "-H", "Connection: close")


def keep_alive(peer: Peer, seconds: int, connections: int = 32) -> Result:
    """Requests on connections that stay."""
    return _wrk(peer, seconds, connections)


def lone(peer: Peer, seconds: int) -> Result:
    """One connection, one request at a time."""
    return _wrk(peer, seconds, 1)


def _wrk(peer: Peer, seconds: int, connections: int, *options: str) -> Result:
    port = TCP_PORT if peer.process else WEB
    url = f"http://{peer.address}:{port}/"
    command = [need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *options, url]
    before = cpu_seconds(peer.pids())
    text = subprocess.run(pinned(LOAD_CORE, command), check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(peer.pids()) - before
    if found := re.search(r"Socket errors: (.*)|Non-2xx.*", text):
        print(f"{peer.name}: {found[0]}", file=sys.stderr)
    requests = int(re.findall(r"(\d+) requests in", text)[0])
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", text)[0])
    return Result(rate, used / requests, _latency(text, 50), _latency(text, 99))


def _latency(text: str, percent: int) -> float:
    number, unit = re.findall(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)[0]
    return float(number) * _UNITS[unit]


def bulk(peer: Peer, seconds: int, connections: int) -> Result:
    """Bytes from the backends to clients, as fast as they go."""
    port = BULK_PORT if peer.process else BULK
    words = ["-m", "bench.proxy.bulk", "load", peer.address, str(port), str(connections), str(seconds)]
    return _own(peer, words)


def udp(peer: Peer, seconds: int) -> Result:
    """Datagrams there and back."""
    port = UDP_PORT if peer.process else 5353
    return _own(peer, ["-m", "bench.proxy.udp", "load", peer.address, str(port), str(seconds)])


def _own(peer: Peer, words: list[str]) -> Result:
    before = cpu_seconds(peer.pids())
    command = pinned(LOAD_CORE, [sys.executable, *words])
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    total, seconds = map(float, text.split())
    return Result(total / seconds, (cpu_seconds(peer.pids()) - before) / max(total, 1))


def idle_memory(peer: Peer) -> float:
    """KiB of the proxy's own memory that each idle connection costs; of a proxy that has had few before.

    (Proxies keep freed memory for the next connection, so a second time it costs nothing.)
    """
    before = private_kib(peer.pids())
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            sock = stack.enter_context(socket.create_connection((peer.address, TCP_PORT)))
            sock.sendall(request)
            sock.recv(4096)
        return (private_kib(peer.pids()) - before) / IDLE
