"""nodes/NAME/proxy/…: what a kubelet answers over HTTP in Kubernetes.

Ours serves gRPC alone, so the apiserver answers for it, as it does for exec: from the kubelet's streams,
and from the pods that are bound to the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from podyard.api.errors import StatusError
from podyard.api.resources import PODS
from podyard.apiserver.connect.kubelets import Kubelets
from podyard.apiserver.connect.logs import serve_log
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.registry import Registry

HEALTH = frozenset(("healthz", "healthz/ping", "healthz/log", "healthz/syncloop"))


class KubeletPaths:
    """Answers healthz, pods and containerLogs."""

    def __init__(self, registry: Registry, kubelets: Kubelets, long_running: LongRunning) -> None:
        self._registry = registry
        self._kubelets = kubelets
        self._long_running = long_running

    async def answer(self, request: web.Request, node: Mapping[str, Any], path: str) -> web.StreamResponse:
        """Answer a GET of `path`, which is as it came."""
        parts = unquote(path).strip("/").split("/")
        name = node["metadata"]["name"]
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="405: Method Not Allowed\n")
        if "/".join(parts) in HEALTH:
            await self._kubelets.check(name)
            return web.Response(text="ok")
        if parts == ["pods"]:
            return await self._pods(name)
        if parts[0] == "containerLogs" and len(parts) == 4:
            return await self._log(request, name, *parts[1:])
        return web.Response(status=404, text="404 page not found\n")

    async def _pods(self, node: str) -> web.Response:
        listed = await self._registry.list(PODS, "", field_selector=f"spec.nodeName={node}")
        items = b",".join(stored.data for stored in listed.items)
        body = b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[' + items + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _log(
        self, request: web.Request, node: str, namespace: str, name: str, container: str
    ) -> web.StreamResponse:
        missing = web.Response(status=404, text=f'pod "{name}" does not exist\n')
        try:
            pod = (await self._registry.get(PODS, namespace, name)).decode()
        except StatusError as error:
            if error.code != 404:
                raise
            return missing
        if pod["spec"].get("nodeName") != node:
            return missing
        return await serve_log(request, pod, self._kubelets, self._long_running, container)
