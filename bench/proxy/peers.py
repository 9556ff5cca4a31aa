"""The proxies that are compared; each is a process that serves the same Services at addresses of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.processes import family, listens, running
from bench.proxy.cpu import PROXY_CORE, pinned
from bench.proxy.services import BACKENDS, BULK, BULK_PORT, ECHO, TCP_PORT, UDP_PORT, WEB, Range

PACKAGES = "haproxy nginx libnginx-mod-stream wrk"
PORTS = ((TCP_PORT, WEB), (BULK_PORT, BULK))


class Peer:
    """A running proxy."""

    def __init__(self, name: str, process: subprocess.Popen[bytes] | None, address: str) -> None:
        self.name = name
        self.process = process
        self.address = address
        """Where the load goes: to a Service in the middle of all."""

    def pids(self) -> list[int]:
        """Its processes; none for the direct way."""
        return family(self.process.pid) if self.process else []


@contextlib.contextmanager
def direct() -> Iterator[Peer]:
    """No proxy in the path: the limit."""
    yield Peer("direct", None, BACKENDS[0])


@contextlib.contextmanager
def podyard(
    arguments: list[str], addresses: Range, name: str = "podyard", core: str = PROXY_CORE
) -> Iterator[Peer]:
    """The proxy as it is shipped, against an apiserver that has the Services."""
    command = [sys.executable, "-m", "podyard.cli", "proxy", *arguments]
    with running(
        pinned(core, command), lambda: listens(addresses.address(addresses.count - 1), TCP_PORT)
    ) as process:
        yield Peer(name, process, addresses.middle)


@contextlib.contextmanager
def haproxy(folder: Path, addresses: Range, pipe_bytes: int = 0) -> Iterator[Peer]:
    """HAProxy with one thread, splicing; its default pipes, or of `pipe_bytes`."""
    lines = [
        "global",
        " nbthread 1",
        " maxconn 6000",
        *([f" tune.pipesize {pipe_bytes}"] if pipe_bytes else []),
    ]
    lines += [
        "defaults",
        " mode tcp",
        " balance roundrobin",
        " option splice-auto",
        " retries 3",
        " option redispatch",
    ]
    lines += [" timeout connect 5s", " timeout client 1h", " timeout server 1h"]
    for number, address in enumerate(addresses.addresses()):
        for port, target in PORTS:
            lines += [f"listen s{number}-{port}", f" bind {address}:{port}"]
            lines += [f" server b{i} {backend}:{target}" for i, backend in enumerate(BACKENDS)]
    config = folder / f"haproxy-{pipe_bytes}.cfg"
    config.write_text("\n".join(lines) + "\n")
    command = pinned(PROXY_CORE, [need("haproxy"), "-db", "-f", str(config)])
    with running(command, lambda: listens(addresses.address(addresses.count - 1), TCP_PORT)) as process:
        yield Peer("HAProxy, 1 MiB pipes" if pipe_bytes else "HAProxy", process, addresses.middle)


@contextlib.contextmanager
def nginx_stream(folder: Path, addresses: Range) -> Iterator[Peer]:
    """nginx' stream module, one worker, TCP and UDP."""
    blocks = []
    for port, target, options in ((TCP_PORT, WEB, ""), (BULK_PORT, BULK, ""), (UDP_PORT, ECHO, " udp")):
        servers = " ".join(f"server {backend}:{target};" for backend in BACKENDS)
        blocks.append(f"upstream u{port} {{ {servers} }}")
        timeout = "30s" if options else "1h"
        blocks += [
            f"server {{ listen {address}:{port}{options}; proxy_pass u{port}; proxy_timeout {timeout}; }}"
            for address in addresses.addresses()
        ]
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    text = f"load_module {module};\n" if module.exists() else ""
    text += "events { worker_connections 19000; }\nstream {\n" + "\n".join(blocks) + "\n}\n"
    with nginx(
        folder / "stream", text, PROXY_CORE, addresses.address(addresses.count - 1), TCP_PORT
    ) as process:
        yield Peer("nginx stream", process, addresses.middle)


@contextlib.contextmanager
def nginx(folder: Path, text: str, core: str, address: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An nginx with one worker, in the foreground, running this configuration."""
    folder.mkdir()
    config = folder / "nginx.conf"
    head = f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr crit;\n"
    # Modules are loaded before anything else is said.
    modules = "".join(line + "\n" for line in text.splitlines() if line.startswith("load_module"))
    config.write_text(modules + head + text.removeprefix(modules))
    command = pinned(core, [need("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)])
    with running(command, lambda: listens(address, port)) as process:
        yield process


def need(program: str) -> str:
    """The path of a program; ends the benchmark with one line when it is not installed."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        sys.exit(f"bench: {program} is not installed (Debian: apt-get install {PACKAGES})")
    return path
