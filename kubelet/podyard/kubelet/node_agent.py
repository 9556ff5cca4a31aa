"""Registers the node, keeps its status true and its Lease fresh (pkg/kubelet/kubelet_node_status.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.objects import is_ready
from podyard.api.resources import LEASES, NODES
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.client.informer import Informer
from podyard.kubelet.network import NetworkError, NetworkProvider
from podyard.kubelet.node import (
    LEASE_NAMESPACE,
    LEASE_RENEW_SECONDS,
    STATUS_REPORT_SECONDS,
    make_conditions,
    make_lease,
    network_not_ready,
    status_differs,
)
from podyard.kubelet.pod_events import Recorder
from podyard.kubelet.runtime import Features
from podyard.process.clock import Clock

Object = dict[str, Any]

RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 0.4

logger = logging.getLogger("kubelet.node")


class NodeAgent:
    """Speaks for one node.

    `node` is the object to register, `status` its status without conditions and `features` what
    isolation its pods have. `network_configured` is called when pods can be given addresses from now on.
    """

    def __init__(
        self,
        client: Client,
        node: Object,
        status: Object,
        features: Features,
        network: NetworkProvider,
        recorder: Recorder,
        clock: Clock,
        network_configured: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._node = node
        self._status = status
        self._features = features
        self._network = network
        self._recorder = recorder
        self._clock = clock
        self._network_configured = network_configured
        self._name: str = node["metadata"]["name"]
        self._problem = network_not_ready(node)
        self._registered = asyncio.Event()
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._informer = Informer(client, NODES, field_selector=f"metadata.name={self._name}", clock=clock)
        self._informer.add_handler(self._see)

    @property
    def network_problem(self) -> str:
        """Why pods get no addresses yet; empty when they do."""
        return self._problem

    def report(self) -> None:
        """The node's conditions may be others than before: say so soon."""
        self._changed.set()

    async def ready(self) -> None:
        """Wait until the apiserver knows that the node is Ready."""
        await self._ready.wait()

    async def registered(self) -> None:
        """Wait until the apiserver knows the node, with its addresses."""
        await self._registered.wait()

    async def run(self) -> None:
        """Register, however long that takes, then report for ever."""
        await self._patiently("register the node", self._register)
        self._registered.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            group.create_task(self._report())
            group.create_task(self._renew())

    async def _register(self) -> None:
        try:
            addresses = {"addresses": self._status["addresses"]}
            self._node = await self._client.create(NODES, {**self._node, "status": addresses})
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            await self._take_over()
        self._event("Starting", "Starting kubelet.")
        logger.info("registered node %s", self._name)

    async def _take_over(self) -> None:
        """The node is known from an earlier run: keep it, with the labels and addresses of now."""
        found = await self._client.get(NODES, self._name)
        addresses = self._status["addresses"]
        here = {a["address"] for a in addresses}
        known = (found.get("status") or {}).get("addresses") or []
        if others := [a["address"] for a in known if a["address"] not in here]:
            logger.warning(
                "node %s was registered from %s before; it is this kubelet's now",
                self._name,
                ", ".join(others),
            )
        labels = self._node["metadata"]["labels"]
        if labels.items() <= (found["metadata"].get("labels") or {}).items():
            self._node = found
        else:
            self._node = await self._client.patch(NODES, self._name, "", {"metadata": {"labels": labels}})
        if known != addresses:
            status = {"status": {"addresses": addresses}}
            self._node = await self._client.patch(NODES, self._name, "", status, subresource="status")

    def _see(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            logger.warning("node %s has been deleted; start its kubelet again to register it", self._name)
            return
        self._node = new
        self._changed.set()

    async def _report(self) -> None:
        """Bring the node's status up to date: at once when it is not true, else every 5 minutes."""
        while True:
            self._changed.clear()
            await self._configure_network()
            await self._patiently("report the node's status", self._send_status)
            try:
                async with asyncio.timeout(STATUS_REPORT_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                await self._patiently("report the node's status", self._send_status_anyhow)

    async def _configure_network(self) -> None:
        if not self._problem or (problem := network_not_ready(self._node)):
            return
        try:
            await self._network.configure(self._node["spec"]["podCIDR"])
            await self._network_configured()
        except NetworkError as error:
            problem = f"container runtime network not ready: {error}"
            logger.error("network of node %s: %s", self._name, error)
        self._problem = problem

    async def _send_status(self) -> None:
        now = to_rfc3339(self._clock.now())
        current = self._node.get("status") or {}
        status = {
            **self._status,
            "conditions": self._conditions(current, now),
        }
        if status_differs(current, status):
            await self._write_status(status)
        if not self._problem:
            self._ready.set()

    async def _send_status_anyhow(self) -> None:
        now = to_rfc3339(self._clock.now())
        conditions = self._conditions(self._node.get("status") or {}, now)
        await self._write_status({**self._status, "conditions": conditions})

    def _conditions(self, current: Object, now: str) -> list[Object]:
        old = current.get("conditions") or []
        return make_conditions(self._problem, self._features, old, now, self._network.conditions())

    async def _write_status(self, status: Object) -> None:
        was_ready = is_ready(self._node)
        self._node = await self._client.patch(NODES, self._name, "", {"status": status}, subresource="status")
        if (now_ready := is_ready(self._node)) != was_ready:
            state = "NodeReady" if now_ready else "NodeNotReady"
            self._event(state, f"Node {self._name} status is now: {state}")

    async def _renew(self) -> None:
        while True:
            await self._patiently("renew the node's lease", self._write_lease)
            await self._clock.sleep(LEASE_RENEW_SECONDS)

    async def _write_lease(self) -> None:
        lease = make_lease(self._node, self._clock.now())
        try:
            await self._client.patch(LEASES, self._name, LEASE_NAMESPACE, {"spec": lease["spec"]})
        except StatusError as error:
            if error.code != 404:
                raise
            await self._client.create(LEASES, lease)

    async def _patiently(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Try until the apiserver does it; say once why it does not."""
        delay, told = RETRY_SECONDS, ""
        while True:
            try:
                return await work()
            except StatusError as error:
                if told != error.message:
                    told = error.message
                    level = logging.INFO if error.code == 503 else logging.WARNING
                    logger.log(level, "cannot %s: %s; trying again", what, error.message)
                await self._clock.sleep(delay)
                delay = min(delay * 2, MAX_RETRY_SECONDS)

    def _event(self, reason: str, message: str) -> None:
        self._recorder.event({**self._node, "apiVersion": "v1", "kind": "Node"}, "Normal", reason, message)
