"""Hosts that can lose their power and their cable: everything on one is in a PID namespace of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.harness import Done, eventually, run
from tests.e2e.hosts import Host, Hosts
from tests.support.networks import Network

INIT = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps whoever has lost its parent
print("up", flush=True)
while True:
    signal.pause()
"""
NAMESPACES = ("--net", "--pid", "--mount")


@dataclass(frozen=True)
class Machine(Host):
    """A host with a plug on a link; it is off until `boot`."""

    lan: Network = field(kw_only=True)
    number: int = field(kw_only=True)
    extra: dict[str, str] = field(default_factory=dict, kw_only=True)
    """Further environment of whatever runs on it."""
    _init: list[subprocess.Popen[str]] = field(default_factory=list, init=False)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a shell on it."""
        return {**super().env, **self.extra}

    def boot(self) -> None:
        """Switch it on: nothing runs on it yet, and its disk is as it was."""
        made = ("unshare", *NAMESPACES, "--mount-proc", "--fork", "--kill-child", sys.executable, "-c", INIT)
        init = subprocess.Popen(made, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._init.append(init)
        assert init.stdout is not None
        assert init.stdout.readline() == "up\n"
        self.run("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
        network = Network(os.open(self.network, os.O_RDONLY))
        try:
            self.lan.plug(self.port, network, "eth0", "169.254.0.1/32", f"{self.address}/24")
            network.shell(f"ip link set eth0 address 02:00:00:00:00:{self.number:02x}")
        finally:
            network.close()
        self.lan.shell(f"ip address flush dev {self.port} && ip link set {self.port} master lan")

    def lose_power(self) -> None:
        """End everything on it at once; nobody hears of it."""
        if self._init:
            self.lan.shell(f"ip link delete {self.port}")
            init = self._init.pop()
            os.kill(_only_child(init.pid), 9)
            init.wait()

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """Pull the cable; plug it in again at the end."""
        self.lan.shell(f"ip link set {self.port} down")
        try:
            yield
        finally:
            self.lan.shell(f"ip link set {self.port} up")

    def kill_all(self) -> None:
        """kill -9 of everything on it; the host itself stays."""
        self.run("sh", "-c", "kill -9 -1", ok=False)
        eventually(lambda: self.run("sh", "-c", "ls -d /proc/[0-9]*").out.count("\n") <= 3)

    @property
    def port(self) -> str:
        """The end of its cable at the bridge."""
        return f"port{self.number}"

    @property
    def network(self) -> str:
        """The path of its network namespace."""
        return f"/proc/{_only_child(self._init[-1].pid)}/ns/net"

    def run(self, *command: str, stdin: str = "", ok: bool = True, timeout: float = 60) -> Done:
        """Run a command on it."""
        enter = ("nsenter", f"--target={_only_child(self._init[-1].pid)}", *NAMESPACES)
        return run([*enter, *command], env=self.env, stdin=stdin, ok=ok, timeout=timeout)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


class Machines(Hosts):
    """A server and nodes, each a machine, on one link. Takes root."""

    network = "netns"
    server: Machine
    nodes: dict[str, Machine]  # type: ignore[assignment]

    def __init__(self, directory: Path, kubectl: str) -> None:
        self._lan = Network()
        self._lan.shell("ip link add lan type bridge && ip link set lan up")
        self._machines: dict[str, Machine] = {}
        super().__init__(directory, 0, kubectl)

    def _host(self, directory: str, address: str, name: str) -> Machine:
        if directory not in self._machines:
            number = len(self._machines) + 1
            home = self._directory / directory
            home.mkdir(parents=True, exist_ok=True)
            address = f"192.0.2.{number}"  # RFC 5737
            machine = Machine(home, address, name, lan=self._lan, number=number)
            self._machines[directory] = machine
            machine.boot()
        return self._machines[directory]

    def host(self, number: int) -> Machine:
        """A machine that is on, and has not joined yet."""
        return self._host(f"host{number}", "", "podyard")

    def start_again(self, node: str) -> Done:
        """`podyard join` on a host that has joined before."""
        return self.nodes[node].podyard("join", "-d")

    def close(self) -> None:
        """End and remove everything."""
        for machine in self._machines.values():
            machine.lose_power()
        self._lan.close()
