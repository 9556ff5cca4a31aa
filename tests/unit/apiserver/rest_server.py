"""A running REST server over a registry, and a client with the administrator's certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from podyard.apiserver.app import make_app
from podyard.apiserver.authn import server_tls
from podyard.apiserver.context import RestConfig
from podyard.apiserver.registry import Registry
from podyard.apiserver.serving import serve
from tests.support.certificates import Authority, client_context

ADDRESS = "127.200.4.1"


@dataclass
class RestServer:
    """`client` has a certificate and `stranger` has none; both know the URL's beginning.

    `authority` has signed every certificate.
    """

    registry: Any

    client: aiohttp.ClientSession
    stranger: aiohttp.ClientSession
    authority: Authority
    runner: web.AppRunner

    async def json(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        """Status and decoded body of one request."""
        async with self.client.request(method, path, **arguments) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def rest_server(
    registry: Registry, directory: Path, config: RestConfig | None = None
) -> AsyncIterator[RestServer]:
    """Serve until the block ends."""
    authority = Authority(directory)
    tls = authority.issue("kube-apiserver", address=ADDRESS)
    admin = authority.issue("kubernetes-admin", "system:masters", "team")
    config = replace(config or RestConfig(), kubelet_tls=authority.issue("apiserver-kubelet-client"))
    runner = await serve(make_app(registry, config), ADDRESS, 0, server_tls(tls.cert, tls.key, tls.ca))
    url = f"https://{ADDRESS}:{runner.addresses[0][1]}"
    try:
        known, unknown = (
            aiohttp.ClientSession(
                url, connector=aiohttp.TCPConnector(ssl=client_context(files, authority.file))
            )
            for files in (admin, None)
        )
        async with known, unknown:
            yield RestServer(registry, known, unknown, authority, runner)
    finally:
        await runner.cleanup()
