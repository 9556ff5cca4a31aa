"""The DNS servers that podyard's is measured beside, each with the same names and one core."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.dns_load import Address, Check, ask, connected

DOMAIN = "cluster.local"
PORT = 5300
SERVER_CORE = 0
START_SECONDS = 60.0
POLL_SECONDS = 0.01
SOA = f"ns.dns.{DOMAIN}. hostmaster.{DOMAIN}. 1 7200 1800 86400 5"


@dataclass
class Server:
    """A DNS server that runs."""

    name: str
    address: Address
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def launch(name: str, command: Sequence[str], address: Address, log: Path, **environment: str) -> Server:
    """Start a server on its core."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    return Server(name, address, process)


def start(
    name: str, command: Sequence[str], address: Address, check: Check, log: Path, **environment: str
) -> Server:
    """Start a server and wait until it gives the right answer. Raises RuntimeError."""
    server = launch(name, command, address, log, **environment)
    try:
        _wait(server, check, time.monotonic() + START_SECONDS)
    except BaseException as error:
        server.stop()
        raise RuntimeError(f"{name} does not serve ({error}): {log.read_text()[-2000:]}") from error
    return server


def _wait(server: Server, check: Check, deadline: float) -> None:
    while True:
        try:
            with connected(server.address, POLL_SECONDS) as sock:
                ask(sock, check)
            return
        except (OSError, ValueError):
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def peers(directory: Path, names: Mapping[str, str]) -> dict[str, tuple[list[str], Address]]:
    """For each that is installed: its command and address. Its files are written to `directory`.

    `names` are the A records to serve.
    """
    zone = directory / "zone"
    records = [f"{name}. 5 IN A {address}\n" for name, address in names.items()]
    head = [f"{DOMAIN}. 5 IN SOA {SOA}\n", f"{DOMAIN}. 5 IN NS ns.dns.{DOMAIN}.\n"]
    zone.write_text("".join([*head, f"ns.dns.{DOMAIN}. 5 IN A 127.0.0.1\n", *records]))
    (directory / "hosts").write_text("".join(f"{address} {name}\n" for name, address in names.items()))
    data = [f"local-data: '{record.strip()}'\n" for record in (head[0], *records)]
    (directory / "unbound-data").write_text("".join(data))
    found = {}
    for number, (name, (template, command)) in enumerate(_PEERS.items(), 1):
        path = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if path is None:
            continue
        address = f"127.77.0.{number}"
        config = directory / f"{name}.conf"
        config.write_text(template.format(directory=directory, address=address, port=PORT, domain=DOMAIN))
        (directory / name).mkdir()
        words = [word.format(config=config, address=address, port=PORT) for word in command[1:]]
        found[name] = ([path, *words], (address, PORT))
    return found


KNOT = """
server:
    listen: {address}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    rundir: {directory}/knot
    user: root:root
database:
    storage: {directory}/knot
zone:
  - domain: {domain}
    file: {directory}/zone
    zonefile-sync: -1
    journal-content: none
"""

NSD = """
server:
    server-count: 1
    ip-address: {address}@{port}
    username: ""
    database: ""
    pidfile: {directory}/nsd/pid
    xfrdfile: {directory}/nsd/xfrd
    zonelistfile: {directory}/nsd/zones
    xfrdir: {directory}/nsd
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: {domain}
    zonefile: {directory}/zone
"""

UNBOUND = """
server:
    num-threads: 1
    interface: {address}@{port}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    chroot: ""
    username: ""
    directory: {directory}/unbound
    pidfile: {directory}/unbound/pid
    use-syslog: no
    so-rcvbuf: 4m
    module-config: "iterator"
    local-zone: "{domain}." static
    include: {directory}/unbound-data
remote-control:
    control-enable: no
"""

DNSMASQ = """
port={port}
listen-address={address}
bind-interfaces
no-resolv
no-hosts
addn-hosts={directory}/hosts
local=/{domain}/
cache-size=10000
local-ttl=5
user=root
pid-file={directory}/dnsmasq/pid
"""

COREDNS = """
{domain}:{port} {{
    bind {address}
    file {directory}/zone
}}
"""

_PEERS: dict[str, tuple[str, list[str]]] = {
    "unbound": (UNBOUND, ["unbound", "-d", "-c", "{config}"]),
    "dnsmasq": (DNSMASQ, ["dnsmasq", "-k", "-C", "{config}"]),
    "nsd": (NSD, ["nsd", "-d", "-c", "{config}"]),
    "knot": (KNOT, ["knotd", "-c", "{config}"]),
    "coredns": (COREDNS, ["coredns", "-quiet", "-conf", "{config}"]),
}
"""Configuration and command of each."""
