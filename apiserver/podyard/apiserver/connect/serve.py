"""The connecting sub-resources, and who answers them."""

from __future__ import annotations

from aiohttp import web

from podyard.api.resources import PODS
from podyard.apiserver.connect.kubelets import Kubelets
from podyard.apiserver.connect.logs import serve_log
from podyard.apiserver.connect.port_forward import serve_port_forward
from podyard.apiserver.connect.proxy import ProxyHandlers
from podyard.apiserver.connect.streams import Verb, serve_stream
from podyard.apiserver.context import info_of
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.registry import Registry
from podyard.process.tls import TlsFiles

CONNECTING = frozenset(("exec", "attach", "log", "portforward", "proxy"))
"""The sub-resources that are answered here and not by the registry."""


class ConnectHandlers:
    """The handlers of exec, attach, log, portforward and proxy."""

    def __init__(self, registry: Registry, tls: TlsFiles | None, long_running: LongRunning) -> None:
        self._registry = registry
        self._long_running = long_running
        self._kubelets = Kubelets(registry, tls)
        self._proxy = ProxyHandlers(registry, self._kubelets, long_running)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to one of CONNECTING."""
        info = info_of(request)
        if info.subresource == "proxy":
            return await self._proxy.proxy(request)
        stored = await self._registry.get(PODS, info.namespace, info.name)
        pod = stored.decode()
        if info.subresource == "log":
            return await serve_log(request, pod, self._kubelets, self._long_running)
        if info.subresource == "portforward":
            return await serve_port_forward(request, pod, self._kubelets, self._long_running)
        verb: Verb = "exec" if info.subresource == "exec" else "attach"
        return await serve_stream(request, pod, verb, self._kubelets, self._long_running)
