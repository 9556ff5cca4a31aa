"""A REST server with some pods, and the kubelet of its only node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podyard.api.resources import NODES, PODS
from tests.unit.apiserver.rest_kubelet import FakeKubelet, serve_kubelet
from tests.unit.apiserver.rest_registry import MemoryRegistry
from tests.unit.apiserver.rest_server import RestServer, rest_server

KUBELET = "127.200.4.2"
POD = "/api/v1/namespaces/ns/pods/p"


def pod(name: str, *containers: str, node: str = "node1", phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}"},
        "spec": {"nodeName": node, "containers": [{"name": c, "image": "x"} for c in containers]},
        "status": {"phase": phase, "podIP": "10.0.0.1"},
    }


@asynccontextmanager
async def cluster(directory: Path, *, down: bool = False) -> AsyncIterator[tuple[RestServer, FakeKubelet]]:
    """A REST server and the kubelet of its only node; `down`: nobody listens there."""
    registry, kubelet = MemoryRegistry(), FakeKubelet()
    registry.put(PODS, pod("p", "c"))
    registry.put(PODS, pod("two", "a", "b"))
    registry.put(PODS, pod("pending", "c", node=""))
    registry.put(PODS, pod("ended", "c", phase="Succeeded"))
    async with rest_server(registry, directory) as server:
        tls = server.authority.issue("system:node:node1", "system:nodes", address=KUBELET)
        grpc_server, port = await serve_kubelet(kubelet, tls, KUBELET)
        if down:
            await grpc_server.stop(None)
        addresses = [{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": KUBELET}]
        status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
        registry.put(NODES, {"metadata": {"name": "node1"}, "status": status})
        try:
            yield server, kubelet
        finally:
            await grpc_server.stop(None)
