"""Network namespaces for tests, and what to do in them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from podyard.process.namespaces import in_network, new_network
from podyard.process.netlink import netlink, up

T = TypeVar("T")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")


class Network:
    """A network namespace that goes with the test: a new one, or the one that `fd` is open on."""

    def __init__(self, fd: int = -1) -> None:
        self.fd = new_network() if fd < 0 else fd
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        with netlink(self.fd) as ip:
            up(ip, "lo")

    def do(self, work: Callable[[], T]) -> T:
        """Do it in there."""
        return in_network(self.fd, work)

    def shell(self, command: str) -> str:
        """The output of a command that runs in there."""
        return self.do(
            lambda: subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        )

    def plug(self, name: str, other: Network, theirs: str, ours_ip: str, theirs_ip: str) -> None:
        """A veth pair to another namespace, with an address (ADDRESS/LENGTH) on each end."""
        with netlink(self.fd) as ip, netlink(other.fd) as there:
            ip.link("add", ifname=name, kind="veth", peer={"ifname": theirs, "net_ns_fd": other.fd})
            for end, link, address in ((ip, name, ours_ip), (there, theirs, theirs_ip)):
                host, _, length = address.partition("/")
                end.addr("add", index=up(end, link), address=host, prefixlen=int(length))

    def route(self, to: str, via: str) -> None:
        """A route."""
        with netlink(self.fd) as ip:
            ip.route("add", dst=to, gateway=via)

    def serve(self, address: str = "0.0.0.0", port: int = 80) -> Callable[[], str]:
        """Accept a TCP client in a thread; the result tells the client's address, once there was one."""
        listener = self.do(lambda: socket.create_server((address, port)))
        listener.settimeout(10)
        seen: list[str] = []

        def accept() -> None:
            with listener:
                client, (host, _) = listener.accept()
                seen.append(host)
                client.sendall(b"x" * 100_000)
                client.close()

        thread = threading.Thread(target=accept)
        thread.start()

        def result() -> str:
            thread.join()
            return seen[0]

        return result

    def get(self, address: str, port: int = 80) -> int:
        """Connect from there and read all; how many bytes came."""

        def connect() -> int:
            with socket.create_connection((address, port), timeout=5) as sock:
                sock.settimeout(5)
                count = 0
                while part := sock.recv(65536):
                    count += len(part)
                return count

        return self.do(connect)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """So many network namespaces."""
    made: list[Network] = []
    try:
        for _ in range(count):
            made.append(Network())
        yield made
    finally:
        for network in made:
            network.close()
