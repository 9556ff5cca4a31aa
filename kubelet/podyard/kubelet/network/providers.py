"""The network providers by name. Those that need netlink are imported late: it takes 0.3 s and 20 MB."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from podyard.api.resources import NODES
from podyard.client.client import Client
from podyard.client.informer import Informer
from podyard.kubelet.network import NetworkProvider
from podyard.kubelet.network.loopback import LoopbackProvider

if TYPE_CHECKING:
    from podyard.kubelet.network.route_keeper import RouteKeeper

NETWORKS = ("loopback", "netns")


def make_network(
    name: str, root: Path, node_name: str, node_ip: str, cluster_cidr: IPv4Network
) -> NetworkProvider:
    """One of NETWORKS; its state is in `root`."""
    if name == "loopback":
        return LoopbackProvider(root / "network.json")
    from podyard.kubelet.network.netns import NetnsProvider

    return NetnsProvider(root, node_name, node_ip, cluster_cidr)


def keep_routes(client: Client, network: NetworkProvider, changed: Callable[[], None]) -> RouteKeeper | None:
    """What keeps the routes to other nodes, None where there are none to keep.

    `changed` is called when the conditions of the network have changed.
    """
    if network.name == "loopback":
        return None
    from podyard.kubelet.network.netns import NetnsProvider
    from podyard.kubelet.network.route_keeper import RouteKeeper

    assert isinstance(network, NetnsProvider)
    network.changed = changed
    return RouteKeeper(Informer(client, NODES), network)
