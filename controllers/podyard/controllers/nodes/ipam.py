"""Node addresses for pods: spec.podCIDR (pkg/controller/nodeipam)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from podyard.api.resources import NODES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.meta import Object
from podyard.controllers.tasks import run_together

Network = IPv4Network | IPv6Network


def subnet(cluster: Network, mask_size: int, index: int) -> Network:
    """The part number `index` of the cluster's range."""
    first = int(cluster.network_address) + (index << (cluster.max_prefixlen - mask_size))
    return ip_network((first, mask_size))


def choose(cluster: Network, mask_size: int, taken: Iterable[str], name: str) -> Network | None:
    """A free part for the node `name`, None when all are taken; part 0 is never given out.

    A node whose name ends in a number gets that part if it can, so that node2 has the same
    addresses whichever node registers first; otherwise the lowest free one.
    """
    count = 1 << (mask_size - cluster.prefixlen)
    used = [ip_network(text) for text in taken]
    number = re.search(r"(\d{1,9})$", name)
    wanted = [int(number[1])] if number and 0 < int(number[1]) < count else []
    # Of n+1 parts at least one is free of n others, unless those are larger than a part.
    limit = min(count, 2 + sum(max(1, 1 << max(mask_size - u.prefixlen, 0)) for u in used))
    for index in [*wanted, *range(1, limit)]:
        candidate = subnet(cluster, mask_size, index)
        if not any(_overlap(candidate, other) for other in used):
            return candidate
    return None


def _overlap(a: Network, b: Network) -> bool:
    return a.version == b.version and (
        a.network_address <= b.broadcast_address and b.network_address <= a.broadcast_address  # type: ignore[operator]
    )


class NodeIpamController:
    """Gives a part of the range to every node that has none. A deleted node's part is free again."""

    def __init__(self, client: Client, informers: InformerFactory, cluster: Network, mask_size: int) -> None:
        self._client = client
        self._cluster = cluster
        self._mask_size = mask_size
        self._events = EventRecorder(client, "cidrAllocator")
        self._queue: WorkQueue[str] = WorkQueue()
        self._nodes = informers.informer(NODES)
        self._nodes.add_handler(self._node_changed)

    async def run(self) -> None:
        """Work until cancelled; one node at a time, so that no part is given out twice."""
        await self._nodes.synced()
        await run_together(
            self._events.run(), run_workers("node-ipam-controller", self._queue, self.sync, workers=1)
        )

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        waiting = [new] if new else self._nodes.list()
        for node in waiting:
            if not node.get("spec", {}).get("podCIDR"):
                self._queue.add(node["metadata"]["name"])

    async def sync(self, name: str) -> None:
        """Give one node its part."""
        node = self._nodes.get("", name)
        if node is None or node.get("spec", {}).get("podCIDR"):
            return
        taken = [cidr for n in self._nodes.list() for cidr in n.get("spec", {}).get("podCIDRs") or ()]
        part = choose(self._cluster, self._mask_size, taken, name)
        if part is None:
            self._events.event(
                node, "Normal", "CIDRNotAvailable", f"Node {name} status is now: CIDRNotAvailable"
            )
            return
        patch = {"spec": {"podCIDR": str(part), "podCIDRs": [str(part)]}}
        await self._nodes.saw(await self._client.patch(NODES, name, "", patch))
