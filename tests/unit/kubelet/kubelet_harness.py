"""A real kubelet against a real apiserver, both in this process; its pods are real processes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from podyard.api.resources import CONFIGMAPS, EVENTS, NODES, PODS, SERVICEACCOUNTS, SERVICES
from podyard.client.client import Client
from podyard.client.informer import Informer
from podyard.kubelet import command
from podyard.process.tls import TlsFiles
from tests.support.apiserver import RunningApiserver, running_apiserver
from tests.unit.kubelet.runtime_harness import fresh_ip

Object = dict[str, Any]

PATIENCE_SECONDS = 20.0

_ranges = itertools.count(os.getpid())


def fresh_range() -> str:
    """A podCIDR of 127.204.0.0/14 that no other test uses at this time."""
    number = next(_ranges) % 1024
    return f"127.{204 + (number >> 8)}.{number & 255}.0/24"


class Cluster:
    """One node. Whoever asks waits for what the apiserver tells, never for time to pass."""

    def __init__(self, server: RunningApiserver, data_dir: Path, client: Client) -> None:
        self.server = server
        self.data_dir = data_dir
        self.client = client
        self.node_ip = fresh_ip()
        self.range = fresh_range()
        self.pods = Informer(client, PODS)
        self.events = Informer(client, EVENTS)
        self.nodes = Informer(client, NODES)
        self._files = server.authority.issue("system:node:node1", "system:nodes", address=self.node_ip)
        self._kubelet: asyncio.Task[None] | None = None

    def arguments(self) -> list[str]:
        """The kubelet's command line."""
        files: TlsFiles = self._files
        return [
            f"--server={self.server.target}",
            f"--ca-file={files.ca}",
            f"--cert-file={files.cert}",
            f"--key-file={files.key}",
            "--node-name=node1",
            f"--node-ip={self.node_ip}",
            f"--data-dir={self.data_dir}",
            "--cluster-dns=127.96.0.10",
        ]

    async def start_kubelet(self) -> None:
        """Start the kubelet and wait until its node is Ready, with a range if it has none."""
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        self._kubelet = asyncio.create_task(command.main(parser.parse_args(self.arguments())))
        node = await self.until_node(lambda node: True)
        if not node["spec"].get("podCIDR"):
            await self.client.patch(NODES, "node1", "", {"spec": {"podCIDR": self.range}})
        await self.until_node(lambda node: condition(node, "Ready") == "True")

    async def stop_kubelet(self) -> None:
        """End the kubelet; its pods go on."""
        if self._kubelet is not None:
            self._kubelet.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._kubelet
            self._kubelet = None

    async def create(self, name: str, *containers: Object, **spec: Any) -> Object:
        """A pod, bound to the node."""
        spec = {
            "terminationGracePeriodSeconds": 5,
            **spec,
            "containers": list(containers),
            "nodeName": "node1",
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
        }
        return await self.client.create(PODS, pod)

    async def service(self, name: str, cluster_ip: str) -> None:
        """A Service on port 80."""
        spec = {"clusterIP": cluster_ip, "ports": [{"port": 80}], "selector": {"app": name}}
        metadata = {"name": name, "namespace": "default"}
        await self.client.create(
            SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        )

    async def until(self, name: str, holds: Callable[[Object], Any]) -> Object:
        """The pod as soon as `holds` is true of it."""

        def condition() -> bool:
            pod = self.pods.get("default", name)
            return pod is not None and bool(holds(pod))

        await self._wait(self.pods, condition, lambda: f"pod {name}: {self.pods.get('default', name)}")
        return self.pods.get("default", name) or {}

    async def until_gone(self, name: str) -> None:
        """Wait until the pod's object is deleted."""
        await self._wait(
            self.pods, lambda: self.pods.get("default", name) is None, lambda: f"{name} is still there"
        )

    async def until_node(self, holds: Callable[[Object], Any]) -> Object:
        """The node as soon as `holds` is true of it."""

        def condition() -> bool:
            node = self.nodes.get("", "node1")
            return node is not None and bool(holds(node))

        await self._wait(self.nodes, condition, lambda: f"node: {self.nodes.get('', 'node1')}")
        return self.nodes.get("", "node1") or {}

    async def until_event(self, reason: str, text: str = "", about: str = "") -> Object:
        """The first Event of this reason whose message has this text."""

        def found() -> list[Object]:
            return [
                event
                for event in self.events.list()
                if event["reason"] == reason
                and text in event["message"]
                and about in ("", event["involvedObject"]["name"])
            ]

        await self._wait(
            self.events, lambda: bool(found()), lambda: f"{reason} {text} not among {self.all_events()}"
        )
        return found()[0]

    def all_events(self) -> list[str]:
        """Every Event as "reason message"."""
        return [f"{event['reason']} {event['message']}" for event in self.events.list()]

    async def _wait(self, informer: Informer, condition: Callable[[], bool], what: Callable[[], str]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await informer.until(condition)
        except TimeoutError:
            raise AssertionError(what()) from None


@contextlib.asynccontextmanager
async def running_cluster(data_dir: Path) -> AsyncIterator[Cluster]:
    """An apiserver and one node; nothing of it is left afterwards."""
    async with running_apiserver(data_dir / "apiserver") as server:
        client = Client(server.target, server.tls)
        cluster = Cluster(server, data_dir, client)
        informers = [asyncio.create_task(i.run()) for i in (cluster.pods, cluster.events, cluster.nodes)]
        try:
            await _prepare_namespace(client)
            await cluster.start_kubelet()
            yield cluster
        finally:
            await cluster.stop_kubelet()
            await command.stop_all_pods(data_dir)
            for task in informers:
                task.cancel()
            await client.close()


async def _prepare_namespace(client: Client) -> None:
    """What the controllers put into every namespace, and every pod mounts."""
    for resource, name in ((SERVICEACCOUNTS, "default"), (CONFIGMAPS, "kube-root-ca.crt")):
        metadata = {"name": name, "namespace": "default"}
        data = {"data": {"ca.crt": ""}} if resource is CONFIGMAPS else {}
        await client.create(
            resource, {"apiVersion": "v1", "kind": resource.kind, "metadata": metadata, **data}
        )


def condition(obj: Object, type_: str) -> str:
    """The status of one condition of a pod or node; empty when it is not there."""
    found = [c for c in (obj.get("status") or {}).get("conditions") or () if c["type"] == type_]
    return str(found[0]["status"]) if found else ""


def phase(pod: Object) -> str:
    """Pending, Running, Succeeded or Failed."""
    return str(pod["status"].get("phase", ""))


def container_status(pod: Object, name: str = "main") -> Object:
    """One container's status; empty before there is one."""
    for status in (pod["status"].get("initContainerStatuses") or []) + (
        pod["status"].get("containerStatuses") or []
    ):
        if status["name"] == name:
            return dict(status)
    return {}


def waiting(pod: Object, name: str = "main") -> str:
    """Why a container waits."""
    return str(((container_status(pod, name).get("state") or {}).get("waiting") or {}).get("reason", ""))


def shell(script: str, name: str = "main", **fields: Any) -> Object:
    """A container that runs a shell script."""
    return {"name": name, "image": "busybox", "command": ["sh", "-c", script], **fields}
