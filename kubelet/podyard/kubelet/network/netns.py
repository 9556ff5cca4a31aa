"""The netns provider: every pod has a network namespace, with an address that all nodes route to.

What it makes is in links.py and masquerade.py, which block: all of it is done in one thread, in turn.
A pod's namespace is its shim's, and lasts as long: nothing of it can be left behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from podyard.kubelet.network import ConnectedPod, NetworkError, NodeCondition, links, masquerade, removal
from podyard.kubelet.network.addresses import AddressBook, parse_range
from podyard.kubelet.network.plan import Routes, plan
from podyard.kubelet.runtime import NamespaceMode
from podyard.process.namespaces import new_network

Object = dict[str, Any]
T = TypeVar("T")

logger = logging.getLogger("kubelet.network")

SERVICE_LINK = "podyard-svc"
"""The proxy's, to the Services' addresses: what goes there keeps the pod's address."""

TABLE = "podyard"
SMALLEST_RANGE = 8
UNAVAILABLE = "NetworkUnavailable"
OUTSIDE = "PodsReachOutside"
FIREWALL = "ForwardingDropped"
OUTSIDE_MESSAGE = "pods reach outside under the node's address, as far as firewalls on the way let them"


class NetnsProvider:
    """`cluster_cidr` is the range of all pods. `changed` is called when `conditions` have changed."""

    name = "netns"
    mode = NamespaceMode.POD

    def __init__(self, root: Path, node_name: str, node_ip: str, cluster_cidr: IPv4Network) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._book = AddressBook(root / "network.json")
        self._root = root
        self._node_name = node_name
        self._node_ip = node_ip
        self._cluster = cluster_cidr
        self._thread = ThreadPoolExecutor(1, "network")
        self._problem = "the node has no podCIDR yet"
        self._routes = Routes()
        self._routes_problem = ""
        self._outside_problem = ""
        self._firewall = ""
        self._plain: list[IPv4Network] | None = None  # what is reached without masquerading

    async def configure(self, pod_cidr: str) -> None:
        """Make the node's bridge. Raises NetworkError that says what the host lacks."""
        try:
            network = parse_range(pod_cidr)
            if self._book.network == network:
                return
            if network.num_addresses < SMALLEST_RANGE:
                raise NetworkError(f"the node's podCIDR {pod_cidr} is too small for a bridge and pods")
            if not network.subnet_of(self._cluster):
                raise NetworkError(f"the node's podCIDR {pod_cidr} is not in --cluster-cidr {self._cluster}")
            await self._do("make a pod network", lambda: self._make(network))
        except NetworkError as error:
            self._problem = str(error)
            raise
        self._book.open(network)
        self._problem = ""

    async def allocate(self, pod_uid: str) -> str:
        """The pod's address, for as long as it is not released."""
        return self._book.allocate(pod_uid)

    async def connect(self, pod_uid: str, pid: int) -> None:
        """Give the pod its eth0."""
        address, network = self._book.address(pod_uid), self._book.network
        if address is None or network is None:
            raise NetworkError(f"pod {pod_uid} has no address")
        namespace = f"/proc/{pid}/ns/net"
        await self._do(
            "connect the pod",
            lambda: links.connect_pod(pod_uid, namespace, IPv4Address(address), network),
        )

    async def release(self, pod_uid: str) -> None:
        """The pod is gone, and its namespace with its sandbox."""
        self._book.release(pod_uid)

    def address(self, pod_uid: str) -> str | None:
        """The pod's address if it has one."""
        return self._book.address(pod_uid)

    async def adopt(self, pods: Mapping[str, ConnectedPod]) -> None:
        """Exactly these pods live; their links are mended if need be."""
        self._book.adopt({uid: pod.address for uid, pod in pods.items()})
        for uid, pod in pods.items():
            try:
                await self.connect(uid, pod.pid)
            except NetworkError as error:  # it is about to end; the others shall live
                logger.warning("pod %s: %s", uid, error)

    async def set_nodes(self, nodes: Iterable[Object]) -> None:
        """Route to the pods of these nodes, and to no others. Raises NetworkError."""
        network = self._book.network
        if network is None:
            return
        before = self.conditions()
        nodes = list(nodes)
        try:
            await self._do("set the routes to other nodes", lambda: self._route(nodes, network))
            self._routes_problem = ""
        except NetworkError as error:
            self._routes_problem = str(error)
            raise
        finally:
            if self.conditions() != before:
                self.changed()

    def conditions(self) -> list[NodeCondition]:
        """NetworkUnavailable, and whether pods reach what is outside of the cluster.

        Unknown where the host has a firewall: it may have been told to let pods through.
        """
        if self._problem:
            return [(UNAVAILABLE, "True", "PodNetworkNotReady", self._problem)]
        if self._routes_problem:
            network = (UNAVAILABLE, "True", "NoRouteToNodes", self._routes_problem)
        elif self._firewall:
            network = (UNAVAILABLE, "Unknown", FIREWALL, self._firewall)
        else:
            direct, overlay = len(self._routes.direct), len(self._routes.overlay)
            text = (
                f"pods have network namespaces; other nodes: {direct} reached directly, {overlay} over VXLAN"
            )
            network = (UNAVAILABLE, "False", "PodNetworkReady", text)
        if self._outside_problem:
            return [network, (OUTSIDE, "False", "NotForwarded", self._outside_problem)]
        if self._firewall:
            return [network, (OUTSIDE, "Unknown", FIREWALL, self._firewall)]
        return [network, (OUTSIDE, "True", "Masqueraded", OUTSIDE_MESSAGE)]

    def _make(self, network: IPv4Network) -> None:
        os.close(new_network())  # what every pod is going to need
        links.make_bridge(network, self._node_ip)
        removal.mark(self._root)
        if why := removal.turn_on_forwarding(self._root):
            raise NetworkError(f"the node does not forward packets: {why}")

    def _route(self, nodes: list[Object], network: IPv4Network) -> None:
        own, has_default = links.own_addresses()
        routes = plan(nodes, self._node_name, own, self._cluster)
        if routes.refused != self._routes.refused:
            for why in routes.refused:
                logger.error("%s", why)
        self._routes = routes
        links.set_routes(self._routes, network, self._node_ip)
        try:
            plain = [self._cluster, *map(IPv4Network, sorted(self._routes.direct.values()))]
            if plain != self._plain or not masquerade.is_there(TABLE):
                masquerade.masquerade(TABLE, [network], plain, [SERVICE_LINK])
                self._plain = plain
            self._firewall = masquerade.firewall(links.BRIDGE)
        except OSError as error:
            self._outside_problem = f"packets cannot be masqueraded (nftables): {error.strerror}"
        else:
            lacks = "this node has no default route: pods reach the cluster alone"
            self._outside_problem = "" if has_default else lacks

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            hint = " (it takes root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)" if error.errno in (1, 13) else ""
            raise NetworkError(f"cannot {what}: {error.strerror or error}{hint}") from None
