"""The whole control plane in this process: a real apiserver, the controllers, the scheduler, and nodes
that do as a kubelet would in no time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from podyard.api.errors import StatusError
from podyard.api.resources import LEASES, NODES, PODS, Resource
from podyard.api.times import to_rfc3339, to_rfc3339_micro
from podyard.apiserver.server import Config, TokenConfig, running
from podyard.apiserver.tokens.authority import Keys
from podyard.apiserver.tokens.jws import load_signing_key
from podyard.client.client import Client
from podyard.client.factory import InformerFactory
from podyard.controllers import command
from podyard.process.clock import RealClock
from podyard.process.tls import TlsFiles
from podyard.scheduler.scheduler import run_scheduler
from tests.support.certificates import Authority
from tests.unit.controllers.objects import Object

T = TypeVar("T")

PATIENCE_SECONDS = 20.0


class Apiserver:
    """A real one that can be stopped and started again at the same address with the same data."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.admin = self.authority.issue("kubernetes-admin", "system:masters")
        self._tls = self.authority.issue("apiserver")
        self._directory = directory
        self._stack = contextlib.AsyncExitStack()
        self.target = "127.0.0.1:0"

    async def start(self) -> None:
        """Serve."""
        key = load_signing_key(self._tls.key)
        config = Config(
            data_dir=self._directory,
            address="127.0.0.1",
            port=0,
            grpc_address=self.target,
            service_cidr=IPv4Network("127.96.0.0/16"),
            node_ports=range(30000, 32768),
            tls=self._tls,
            kubelet_tls=None,
            cluster_dns="127.96.0.10",
            advertise_address="127.0.0.1",
            tokens=TokenConfig(Keys(key, (key.public,)), "https://test", ("https://test",)),
        )
        self.target = (await self._stack.enter_async_context(running(config))).target

    async def stop(self) -> None:
        """Stop serving; the data stays."""
        await self._stack.aclose()


class ControlPlane:
    """What a test holds: `client` to write, `until` to wait for what follows."""

    def __init__(self, apiserver: Apiserver) -> None:
        self.apiserver = apiserver
        self.client = Client(apiserver.target, apiserver.admin)
        self._seen = InformerFactory(self.client)
        self._addresses = (f"127.244.{i // 250}.{i % 250 + 1}" for i in itertools.count())
        self.alive: set[str] = set()  # nodes whose kubelet works

    def all(self, resource: Resource, namespace: str | None = "default") -> list[Object]:
        """The objects there are; `until` must have been called for the resource before."""
        return self._seen.informer(resource).list(namespace)

    async def until(
        self, resource: Resource, condition: Callable[[list[Object]], T], namespace: str | None = "default"
    ) -> T:
        """Wait until the condition on all objects of a namespace holds; give what it gave."""
        informer = self._seen.informer(resource)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await informer.synced()
            await informer.until(lambda: bool(condition(informer.list(namespace))))
        return condition(informer.list(namespace))

    async def add_node(self, name: str) -> None:
        """A node whose kubelet is at work."""
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        }
        await self.client.create(NODES, node)
        self.alive.add(name)
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40},
        }
        await self.client.create(LEASES, lease)
        await self.report_ready(name)
        await self.until(
            NODES,
            lambda nodes: any(n.get("spec", {}).get("podCIDR") and _named(n, name) for n in nodes),
            None,
        )

    async def report_ready(self, name: str) -> None:
        """A node's status, as its kubelet posts it."""
        now = to_rfc3339(RealClock().now())
        condition = {
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [condition]}
        await self.client.patch(NODES, name, "", {"status": status}, subresource="status")

    async def renew_lease(self, name: str) -> None:
        """A sign of life."""
        spec = {"renewTime": to_rfc3339_micro(RealClock().now())}
        await self.client.patch(LEASES, name, "kube-node-lease", {"spec": spec})

    async def run_kubelets(self) -> None:
        """Start and stop the pods of all living nodes at once."""
        busy: set[asyncio.Task[None]] = set()

        def changed(old: Object | None, new: Object | None) -> None:
            if new is not None and new["spec"].get("nodeName") in self.alive:
                task = asyncio.create_task(self._act(new))
                busy.add(task)
                task.add_done_callback(busy.discard)

        self._seen.informer(PODS).add_handler(changed)
        await self._seen.run()

    async def _act(self, pod: Object) -> None:
        metadata = pod["metadata"]
        with contextlib.suppress(StatusError):
            if "deletionTimestamp" in metadata:
                await self.client.delete(
                    PODS, metadata["name"], metadata["namespace"], grace_period_seconds=0
                )
            elif pod["status"].get("phase") == "Pending":
                now = to_rfc3339(RealClock().now())
                ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
                status = {
                    "phase": "Running",
                    "podIP": next(self._addresses),
                    "conditions": [*pod["status"].get("conditions", ()), ready],
                }
                await self.client.patch(
                    PODS, metadata["name"], metadata["namespace"], {"status": status}, subresource="status"
                )


def _named(obj: Object, name: str) -> bool:
    return bool(obj["metadata"]["name"] == name)


def arguments(target: str, tls: TlsFiles, *extra: str) -> argparse.Namespace:
    """The controller-manager's flags."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    files = ["--ca-file", str(tls.ca), "--cert-file", str(tls.cert), "--key-file", str(tls.key)]
    return parser.parse_args(["--server", target, *files, *extra])


@contextlib.asynccontextmanager
async def control_plane(directory: Path, *flags: str, nodes: int = 3) -> AsyncIterator[ControlPlane]:
    """Start all of it, with the controller-manager's command as the CLI starts it."""
    apiserver = Apiserver(directory)
    await apiserver.start()
    plane = ControlPlane(apiserver)
    args = arguments(apiserver.target, apiserver.admin, *flags)
    tasks = [
        asyncio.create_task(command.main(args, extra=[run_scheduler])),
        asyncio.create_task(plane.run_kubelets()),
    ]
    try:
        for number in range(1, nodes + 1):
            await plane.add_node(f"node{number}")
        yield plane
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await plane.client.close()
        await apiserver.stop()
