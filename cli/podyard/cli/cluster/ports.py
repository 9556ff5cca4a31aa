"""Whether a port can be had, and who has it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from podyard.cli.cluster.processes import Port
from podyard.process.main import UserError


def check(ports: Iterable[Port]) -> None:
    """Raise a UserError that names the first port that cannot be bound, and the reason."""
    for port in ports:
        number = _try_bind(port)
        if number == errno.EADDRINUSE:
            raise UserError(
                f"port {port.number}/{port.kind} of {port.address} ({port.what}) is taken by {holder(port)}"
            )
        if number in (errno.EACCES, errno.EPERM):
            raise UserError(
                f"port {port.number} of {port.address} ({port.what}) is refused: ports below 1024 need root, "
                "or `sysctl -w net.ipv4.ip_unprivileged_port_start=0` done once by root"
            )
        if number:
            raise UserError(f"port {port.number} of {port.address} ({port.what}): {os.strerror(number)}")


def _try_bind(port: Port) -> int:
    kind = socket.SOCK_STREAM if port.kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        if port.kind == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((port.address, port.number))
            if port.kind == "tcp":
                sock.listen()
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def holder(port: Port) -> str:
    """Who holds a port, for people: "nginx (pid 4711)", as far as /proc lets us see."""
    inodes = {inode for inode, address, number in _sockets(port.kind) if _covers(address, number, port)}
    for pid in _pids():
        if _open_sockets(pid) & inodes:
            return f"{_command(pid)} (pid {pid})"
    return "a process of another user or namespace"


def _covers(address: str, number: int, port: Port) -> bool:
    return number == port.number and address in (port.address, "0.0.0.0", "::")


def _sockets(kind: str) -> list[tuple[str, str, int]]:
    """(inode, local address, local port) of what listens (tcp) or is bound (udp)."""
    found = []
    for table, wildcard in ((kind, "0.0.0.0"), (f"{kind}6", "::")):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            host, _, number = fields[1].partition(":")
            if kind == "tcp" and fields[3] != "0A":  # TCP_LISTEN
                continue
            raw = bytes.fromhex(host)
            address = wildcard if not any(raw) else socket.inet_ntoa(raw[-4:][::-1])
            found.append((fields[9], address, int(number, 16)))
    return found


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _open_sockets(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass  # gone, or not ours to look at
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return " ".join(word.decode(errors="replace") for word in words if word)[:80]
    except OSError:
        return "a process"
