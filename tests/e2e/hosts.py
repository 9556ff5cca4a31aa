"""Several hosts on one machine, each with a home directory of its own.

They have addresses of 127.0.0.0/8, or network namespaces that a bridge joins.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podyard.api.objects import is_ready
from tests.e2e.harness import PODYARD, Done, run
from tests.support.networks import Network


@dataclass(frozen=True)
class Host:
    """One host: what `podyard` keeps on it is below `home`; `enter` are the words that go there."""

    home: Path
    address: str
    name: str
    enter: tuple[str, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """The environment of a shell on it."""
        env = {**os.environ, "HOME": str(self.home)}
        env.pop("KUBECONFIG", None)
        return env

    def podyard(self, *words: str, ok: bool = True, timeout: float = 90) -> Done:
        """Run `podyard WORDS` on it."""
        return self.run(*PODYARD, *words, ok=ok, timeout=timeout)

    def run(self, *command: str, stdin: str = "", ok: bool = True, timeout: float = 60) -> Done:
        """Run a command on it."""
        return run([*self.enter, *command], env=self.env, stdin=stdin, ok=ok, timeout=timeout)

    def status(self) -> list[dict[str, Any]]:
        """Its processes."""
        done = self.podyard("status", "--name", self.name, "-o", "json", ok=False)
        return list(json.loads(done.out)["processes"])

    def supervisor(self) -> int:
        """The pid of what keeps them running."""
        return int((self.home / ".podyard" / self.name / "up.lock").read_text())


class Hosts:
    """A server, and hosts that join it."""

    network = "loopback"

    def __init__(self, directory: Path, number: int, kubectl: str) -> None:
        self._directory = directory
        self._prefix = f"127.{50 + os.getpid() % 40}.{number}"
        self._kubectl = kubectl
        self.server = self._host("server", f"{self._prefix}.1", f"join-{os.getpid()}-{number}")
        self.nodes: dict[str, Host] = {}

    def _host(self, directory: str, address: str, name: str) -> Host:
        home = self._directory / directory
        home.mkdir(parents=True, exist_ok=True)
        return Host(home, address, name)

    def start_server(self, *words: str) -> Done:
        """Start the server, or start it again."""
        made = ["--advertise", self.server.address, "--network", self.network]
        return self.server.podyard("server", "-d", "--name", self.server.name, *made, *words)

    def join_words(self) -> list[str]:
        """The words after `podyard` of the command that the server prints, with a new token."""
        done = self.server.podyard("token", "create", "--name", self.server.name, "--print-join-command")
        return done.out.split()[1:]

    def host(self, number: int) -> Host:
        """A host that has not joined yet."""
        return self._host(f"host{number}", f"{self._prefix}.{10 + number}", "podyard")

    def join(self, number: int) -> Host:
        """Make a host the node `nodeNUMBER`."""
        host = self.host(number)
        where = ["--node-name", f"node{number}", "--node-ip", host.address, "-d"]
        host.podyard(*self.join_words(), *where)
        self.nodes[f"node{number}"] = host
        return host

    def kubectl(self, *words: str, stdin: str = "", ok: bool = True, timeout: float = 60) -> Done:
        """Run kubectl as the server's administrator."""
        return self.server.run(self._kubectl, *words, stdin=stdin, ok=ok, timeout=timeout)

    def builtin(self, *words: str, ok: bool = True, timeout: float = 60) -> Done:
        """The same with `podyard kubectl`."""
        return self.server.podyard("kubectl", *words, ok=ok, timeout=timeout)

    def json(self, *words: str) -> Any:
        """What `kubectl get WORDS -o json` gives."""
        return json.loads(self.kubectl("get", *words, "-o", "json").out)

    def ready_nodes(self) -> list[str]:
        """The names of the nodes that are Ready."""
        return [node["metadata"]["name"] for node in self.json("nodes")["items"] if is_ready(node)]

    def close(self) -> None:
        """End and remove everything."""
        for host in self.nodes.values():
            host.podyard("down", "--purge", ok=False)
        self.server.podyard("down", "--purge", "--name", self.server.name, ok=False)


class LanHosts(Hosts):
    """Hosts that are network namespaces, on one link. Takes root."""

    network = "netns"

    def __init__(self, directory: Path, number: int, kubectl: str) -> None:
        self._lan = Network()
        self._lan.shell("ip link add lan type bridge && ip link set lan up")
        self._networks = [self._lan]
        super().__init__(directory, number, kubectl)

    def _host(self, directory: str, address: str, name: str) -> Host:
        number = len(self._networks)
        address = f"192.0.2.{number}"  # RFC 5737
        network = Network()
        self._networks.append(network)
        self._lan.plug(f"port{number}", network, "eth0", "169.254.0.1/32", f"{address}/24")
        self._lan.shell(f"ip address flush dev port{number} && ip link set port{number} master lan")
        home = self._directory / directory
        home.mkdir(parents=True, exist_ok=True)
        return Host(home, address, name, ("nsenter", f"--net={network.path}"))

    def close(self) -> None:
        """End and remove everything."""
        super().close()
        for network in self._networks:
            network.close()
