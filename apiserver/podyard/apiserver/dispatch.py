"""Where the handler chain ends: from what is asked to the handler that answers it."""

from __future__ import annotations

from aiohttp import web

from podyard.apiserver.answers import answer_object
from podyard.apiserver.connect.serve import CONNECTING, ConnectHandlers
from podyard.apiserver.context import RestConfig, info_of
from podyard.apiserver.discovery import DiscoveryHandlers
from podyard.apiserver.handlers import Handler, ResourceHandlers
from podyard.apiserver.health import HealthHandlers
from podyard.apiserver.issuer import IssuerHandlers
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.openapi.serve import OpenApiHandlers
from podyard.apiserver.registry import Registry
from podyard.apiserver.requestinfo import no_such_resource
from podyard.apiserver.reviews import ReviewHandlers
from podyard.apiserver.watches import Watches


class Dispatcher:
    """Knows every handler. One for each application."""

    def __init__(self, registry: Registry, long_running: LongRunning, config: RestConfig) -> None:
        self._verbs = ResourceHandlers(registry, Watches(registry, long_running)).verbs
        self._connect = ConnectHandlers(registry, config.kubelet_tls, long_running)
        self._reviews = ReviewHandlers(config.authorizer, config.tokens)
        health = HealthHandlers(config)
        discovery = DiscoveryHandlers(config)
        self._paths: dict[str, Handler] = {
            **health.paths,
            **discovery.paths,
            **OpenApiHandlers().paths,
            **IssuerHandlers(config).paths,
        }

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that has come through the chain."""
        info = info_of(request)
        if info.resource is not None:
            if not info.resource.stored and info.resource.kind != "Binding":
                return await self._reviews.create(request)
            if info.subresource in CONNECTING:
                return await self._connect.connect(request)
            return await self._verbs[info.verb](request)
        handler = self._paths.get(info.path.rstrip("/"), self.root if info.path == "/" else None)
        if handler is None or request.method not in ("GET", "HEAD"):
            raise no_such_resource()
        return await handler(request)

    async def root(self, request: web.Request) -> web.StreamResponse:
        """Every path that is not a resource's."""
        return answer_object(request, {"paths": sorted(self._paths)})
