"""Keeps a node's routes in line with the cluster's Nodes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from podyard.client.informer import Informer
from podyard.kubelet.network import NetworkError
from podyard.kubelet.network.netns import NetnsProvider
from podyard.kubelet.network.plan import internal_ip, pod_cidr

Object = dict[str, Any]

AGAIN_SECONDS = 30.0
"""Links and routes that somebody else has changed are mended so often; a failure is tried again, too."""

logger = logging.getLogger("kubelet.network")


class RouteKeeper:
    """`nodes` follows all Nodes of the cluster."""

    def __init__(self, nodes: Informer, network: NetnsProvider) -> None:
        self._nodes = nodes
        self._network = network
        self._changed = asyncio.Event()
        self._told = ""
        nodes.add_handler(self._see)

    def wake(self) -> None:
        """Look again: this node has its podCIDR now."""
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._nodes.run())
            await self._nodes.synced()
            while True:
                await self._sync()
                try:
                    async with asyncio.timeout(AGAIN_SECONDS):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _sync(self) -> None:
        self._changed.clear()
        try:
            await self._network.set_nodes(self._nodes.list())
            self._told = ""
        except NetworkError as error:
            if self._told != str(error):
                self._told = str(error)
                logger.error("%s", error)

    def _see(self, old: Object | None, new: Object | None) -> None:
        if _where(old) != _where(new):
            self._changed.set()


def _where(node: Object | None) -> tuple[object, object] | None:
    """What a route to a node depends on: not its heartbeats."""
    return (internal_ip(node), pod_cidr(node)) if node else None
