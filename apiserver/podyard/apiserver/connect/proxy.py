"""The proxy sub-resources of services, pods and nodes: HTTP passed on to a program in the cluster.

As k8s.io/apimachinery pkg/util/proxy/upgradeaware.go. Pods are reached through their kubelets, as
port-forward reaches them: that works on every network, also where the apiserver is on a host that has no
route to the pods, and goes to the pod that is meant even when its address is another's by now.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from multidict import CIMultiDict

from podyard.api.errors import service_unavailable
from podyard.apiserver.connect.kubelet_api import KubeletPaths
from podyard.apiserver.connect.kubelets import Kubelets
from podyard.apiserver.connect.locations import KubeletApi, Locations, NodePort, PodPort
from podyard.apiserver.connect.negotiation import WEBSOCKET_HEADER, upgrade_of, websocket_protocols
from podyard.apiserver.connect.pod_connection import PodConnection
from podyard.apiserver.connect.rewrite import rewrite_html, rewrite_url
from podyard.apiserver.connect.tls_stream import TlsStream
from podyard.apiserver.connect.upgrade import Upgraded
from podyard.apiserver.context import info_of
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.registry import Registry
from podyard.process.http1 import ByteStream, Exchange, Headers, SocketStream, end_to_end, join

log = logging.getLogger(__name__)

OURS = frozenset(("authorization", "expect", "impersonate-user", "impersonate-group", "impersonate-uid"))
"""Headers for the apiserver, of no concern to a program in the cluster."""

CORS = "access-control-allow-"
"""Headers by which a program in the cluster would speak for the apiserver to a browser."""

CODINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "": (bytes, bytes),
    "identity": (bytes, bytes),
    "gzip": (gzip.decompress, gzip.compress),
    "deflate": (zlib.decompress, zlib.compress),
}
"""How an answer may be encoded whose links can be rewritten."""


class ProxyHandlers:
    """Answers requests to the proxy sub-resource."""

    def __init__(self, registry: Registry, kubelets: Kubelets, long_running: LongRunning) -> None:
        self._locations = Locations(registry)
        self._kubelets = kubelets
        self._kubelet_paths = KubeletPaths(registry, kubelets, long_running)
        self._long_running = long_running

    async def proxy(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and the answer back."""
        info = info_of(request)
        assert info.resource is not None
        location = await self._locations.find(info.resource, info.namespace, info.name)
        prefix, rest = split_path(request.rel_url.raw_path, namespaced=info.resource.namespaced)
        if isinstance(location, KubeletApi):
            return await self._kubelet_paths.answer(request, location.node, rest)
        if not rest and request.method in ("GET", "HEAD") and not upgrade_of(request.headers):
            query = request.rel_url.raw_query_string
            return web.Response(status=301, headers={"Location": f"{prefix}/{query and '?' + query}"})
        try:
            async with self._connected(location) as stream:
                return await _exchange(request, stream, prefix, rest, self._long_running)
        except ConnectionError as error:
            raise service_unavailable(f"error trying to reach service: {error}") from None

    @asynccontextmanager
    async def _connected(self, location: PodPort | NodePort) -> AsyncIterator[ByteStream]:
        async with self._dialled(location) as stream:
            if location.tls:
                stream = TlsStream(stream)
                await stream.open()
            yield stream

    @asynccontextmanager
    async def _dialled(self, location: PodPort | NodePort) -> AsyncIterator[ByteStream]:
        if isinstance(location, PodPort):
            async with self._kubelets.of(location.pod) as kubelet:
                connection = PodConnection(kubelet, location.pod, location.port, by_address=True)
                try:
                    await connection.open()
                    yield connection
                finally:
                    connection.close()
            return
        try:
            socket = SocketStream(*await asyncio.open_connection(location.address, location.port))
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise ConnectionError(f"dial tcp {location.address}:{location.port}: connect: {why}") from None
        try:
            yield socket
        finally:
            socket.close()


async def _exchange(
    request: web.Request, stream: ByteStream, prefix: str, rest: str, long_running: LongRunning
) -> web.StreamResponse:
    """Send the request, and answer it. Raises ConnectionError as long as nothing has been answered."""
    exchange = Exchange(stream)
    query = request.rel_url.raw_query_string
    target = (rest or "/") + (query and f"?{query}")
    sending = asyncio.create_task(
        exchange.send(request.method, target, request_headers(request, prefix, rest), _body(request))
    )
    try:
        status, headers = await exchange.answer()
        if status == 101:
            return await _upgraded(request, stream, headers, exchange.rest, long_running)
        return await _answered(request, exchange, status, headers, prefix, long_running)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def split_path(path: str, *, namespaced: bool) -> tuple[str, str]:
    """The path up to "proxy", and the rest with its slash, if any; both as they were sent."""
    parts = path.split("/")
    count = 8 if namespaced else 6  # ["", "api", "v1", "namespaces", NS, "pods", NAME, "proxy"]
    rest = parts[count:]
    return "/".join(parts[:count]), "/" + "/".join(rest) if rest else ""


def request_headers(request: web.Request, prefix: str, rest: str) -> Headers:
    """The headers for the program in the cluster."""
    kept = [(k, v) for k, v in end_to_end(request.headers.items()) if k.lower() not in OURS]
    came_from = [v for k, v in kept if k.lower() == "x-forwarded-for"]
    ours = {"x-forwarded-for", "x-forwarded-uri", WEBSOCKET_HEADER.lower()}
    headers = [
        (k, v) for k, v in kept if k.lower() not in ours and not k.lower().startswith("impersonate-extra-")
    ]
    headers.append(("X-Forwarded-For", ", ".join([*came_from, request.remote or ""])))
    headers.append(("X-Forwarded-Uri", prefix + rest))
    if protocols := websocket_protocols(request.headers):  # without the token
        headers.append((WEBSOCKET_HEADER, ", ".join(protocols)))
    if protocol := upgrade_of(request.headers):
        return [*headers, ("Connection", "Upgrade"), ("Upgrade", protocol)]
    if request.body_exists and "Content-Length" not in request.headers:
        headers.append(("Transfer-Encoding", "chunked"))
    return [*headers, ("Connection", "close")]


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    if request.body_exists and not upgrade_of(request.headers):
        async for chunk in request.content.iter_any():
            yield chunk


async def _upgraded(
    request: web.Request, stream: ByteStream, headers: Headers, rest: bytes, long_running: LongRunning
) -> web.StreamResponse:
    """Pass the other protocol on, in both directions."""
    response = Upgraded(CIMultiDict(headers))
    await response.accept(request)
    with long_running.track():
        if rest:
            await response.write(rest)
        await join(response, stream)
    return response


async def _answered(
    request: web.Request,
    exchange: Exchange,
    status: int,
    headers: Headers,
    prefix: str,
    long_running: LongRunning,
) -> web.StreamResponse:
    """Pass an ordinary answer on, with its links rewritten."""
    hosts = frozenset((request.host,))
    kept = CIMultiDict(one for one in end_to_end(headers) if not one[0].lower().startswith(CORS))
    if "Location" in kept:
        kept["Location"] = rewrite_url(kept["Location"], prefix, hosts)
    elif kept.get("Content-Type", "").partition(";")[0].strip() == "text/html" and request.method != "HEAD":
        page = b"".join([chunk async for chunk in exchange.body()])
        page = rewrite_page(page, kept.get("Content-Encoding", ""), prefix, hosts)
        kept["Content-Length"] = str(len(page))
        return web.Response(status=status, headers=kept, body=page)
    response = web.StreamResponse(status=status, headers=kept)
    await response.prepare(request)
    try:
        with long_running.track():
            async for chunk in exchange.body():
                await response.write(chunk)
            await response.write_eof()
            return response
    except ConnectionError as error:
        log.info("%s: the answer broke off: %s", request.path, error)
    if request.transport is not None:
        request.transport.close()  # so that the client sees that something is missing
    return response


def rewrite_page(page: bytes, encoding: str, prefix: str, hosts: frozenset[str]) -> bytes:
    """HTML as it came, with its links rewritten. What is encoded in another way stays as it is."""
    try:
        decode, encode = CODINGS[encoding.lower()]
        plain = decode(page)
    except (KeyError, OSError, EOFError, zlib.error):
        return page
    return encode(rewrite_html(plain.decode("latin-1"), prefix, hosts).encode("latin-1"))
