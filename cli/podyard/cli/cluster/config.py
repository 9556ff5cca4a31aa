"""What a cluster is, on the host of its apiserver: its name, its directory and its addresses."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from podyard.cli import statefile
from podyard.process.main import UserError

DEFAULT_NAME = "podyard"
MAX_INDEX = 28
"""The last one has 127.236 to 127.239; the first cluster's pods begin at 127.244."""

API_PORT = 6443

NODE_DNS_PORT = 10053
"""Where a node that has joined has its DNS server: port 53 may be that of the apiserver's host."""

LOOPBACK, NETNS = "loopback", "netns"
NETWORKS = (LOOPBACK, NETNS)
"""The network providers there are (`podyard.kubelet.network`)."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A cluster's settings. Everything else derives from them.

    `index` chooses the address ranges within 127.0.0.0/8, or 10.0.0.0/8 with the netns network: 0 has
    those of the documentation, each further cluster has four second octets of its own. `api_port` is the
    apiserver's HTTPS port; its component API listens on the port after it. `network` is how pods get
    their addresses, on every node. `advertise` is this host's address for the other hosts of a cluster of
    many (`podyard server`), whose nodes are elsewhere; "" for a cluster of this machine alone.
    `component_args` has further flags for the apiserver and the controller-manager.
    """

    name: str
    data_dir: str
    index: int
    api_port: int
    nodes: int
    network: str = LOOPBACK
    advertise: str = ""
    component_args: dict[str, list[str]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The data directory."""
        return Path(self.data_dir)

    @property
    def has_lan(self) -> bool:
        """Whether its nodes are network namespaces of this host, joined by a bridge (`podyard.cli.lan`)."""
        return self.network == NETNS and not self.advertise

    def _part(self, first: int, offset: int) -> str:
        """The first two octets of a range."""
        second = first if self.index == 0 else 128 + 4 * (self.index - 1) + offset
        return f"{10 if self.network == NETNS else 127}.{second}"

    @property
    def service_cidr(self) -> str:
        """ClusterIPs: 127.96.0.0/16."""
        return f"{self._part(96, 0)}.0.0/16"

    @property
    def pod_cidr(self) -> str:
        """All pods: 127.244.0.0/16, a /24 for each node."""
        return f"{self._part(244, 1)}.0.0/16"

    @property
    def load_balancer_cidr(self) -> str:
        """Services of type LoadBalancer: 127.99.0.0/16."""
        return f"{self._part(99, 2)}.0.0/16"

    @property
    def kubernetes_ip(self) -> str:
        """The ClusterIP of default/kubernetes."""
        return f"{self._part(96, 0)}.0.1"

    @property
    def dns_ip(self) -> str:
        """The ClusterIP of kube-system/kube-dns."""
        return f"{self._part(96, 0)}.0.10"

    @property
    def control_plane_ip(self) -> str:
        """Where the DNS server listens; on a LAN, this host's address in it."""
        return self.advertise or f"{self._part(10, 3)}.0.254"

    @property
    def node_cidr(self) -> str:
        """All nodes of this host."""
        return f"{self._part(10, 3)}.0.0/24"

    def node_pod_cidr(self, number: int) -> str:
        """The pods of node `number`, as the controllers hand it out (podyard.controllers.nodes.ipam)."""
        return f"{self._part(244, 1)}.{number}.0/24"

    @property
    def api_address(self) -> str:
        """Where the apiserver listens."""
        return self.control_plane_ip if self.has_lan else self.advertise or "127.0.0.1"

    @property
    def command(self) -> str:
        """The sub-command that runs it."""
        return "server" if self.advertise else "up"

    @property
    def server(self) -> str:
        """The apiserver's component API, HOST:PORT."""
        return f"{self.api_address}:{self.api_port + 1}"

    @property
    def api_url(self) -> str:
        """What kubectl talks to: the apiserver, or the gate that leads there."""
        return f"https://{self.advertise or '127.0.0.1'}:{self.api_port}"

    @property
    def cluster_domain(self) -> str:
        """The DNS domain of the cluster."""
        return "cluster.local"

    @property
    def context(self) -> str:
        """The name in the user's kubeconfig."""
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}-{self.name}"

    def node_names(self) -> list[str]:
        """node1, node2, …"""
        return [f"node{number}" for number in range(1, self.nodes + 1)]

    def node_ip(self, number: int) -> str:
        """The address of node `number`, from 1."""
        return f"{self._part(10, 3)}.0.{number}"

    def node_host_ip(self, number: int) -> str:
        """The address of node `number` for a host that only the gate lets in to it."""
        return "127." + self.node_ip(number).partition(".")[2]

    def save(self) -> None:
        """Write it into the data directory, all or nothing."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        statefile.save(self.path / "cluster.json", asdict(self))


def load(data_dir: Path) -> ClusterConfig | None:
    """The cluster that lives in a directory; None when there is none. UserError when unreadable."""
    return statefile.load(
        data_dir / "cluster.json", lambda fields: ClusterConfig(**{**fields, "data_dir": str(data_dir)})
    )


def check_name(name: str) -> str:
    """A cluster's name: a DNS label of at most 40 characters."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise UserError(
            f"--name {name!r}: a name has 1 to 40 lower-case letters, digits and '-', "
            "and starts and ends with a letter or digit"
        )
    return name
