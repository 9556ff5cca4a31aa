"""HTTP through the proxy sub-resource, to a server behind the kubelet's port-forward."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from podyard.api.resources import ENDPOINTS, PODS, SERVICES
from tests.unit.apiserver.rest_cluster import POD, cluster
from tests.unit.apiserver.rest_kubelet import FakeKubelet
from tests.unit.apiserver.rest_server import RestServer

BACKEND = "127.200.4.3"
PROXY = f"{POD}/proxy"


async def show(request: web.Request) -> web.Response:
    """Tell what has come."""
    headers = dict(request.headers.items())
    body = await request.read()
    return web.json_response(
        {"method": request.method, "path": request.raw_path, "headers": headers, "body": body.decode()},
        headers={"X-Custom": "kept", "Access-Control-Allow-Origin": "*", "Connection": "x-hop", "X-Hop": "1"},
    )


async def page(request: web.Request) -> web.Response:
    return web.Response(text='<a href="/next">', content_type="text/html")


async def moved(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/there?a=b"})


async def sums(request: web.Request) -> web.Response:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.Response(body=b"x" * size)


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"part")
    assert request.transport is not None
    request.transport.close()
    return response


async def socket(request: web.Request) -> web.StreamResponse:
    response = web.WebSocketResponse(protocols=("chat",))
    await response.prepare(request)
    async for message in response:
        await response.send_str(f"echo {message.data}")
    return response


@dataclass
class Proxied:
    """The apiserver, and the kubelet whose connections lead to the backend."""

    server: RestServer
    kubelet: FakeKubelet

    async def get(
        self, path: str, method: str = "GET", **options: Any
    ) -> tuple[int, aiohttp.ClientResponse, bytes]:
        """Status, response and body of a request."""
        client = self.server.client
        async with client.request(method, path, allow_redirects=False, **options) as response:
            return response.status, response, await response.read()


@asynccontextmanager
async def proxied(directory: Path, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxied]:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_get("/page", page)
    app.router.add_get("/moved", moved)
    app.router.add_post("/sums", sums)
    app.router.add_get("/cut-off", cut_off)
    app.router.add_get("/socket", socket)
    app.router.add_route("*", "/{path:.*}", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, BACKEND, 0, ssl_context=tls).start()
    try:
        async with cluster(directory) as (server, kubelet):
            kubelet.backend = runner.addresses[0][:2]
            yield Proxied(server, kubelet)
    finally:
        await runner.cleanup()


async def test_a_request_and_its_answer(tmp_path: Path) -> None:
    async with proxied(tmp_path) as to:
        headers = {"Authorization": "Bearer secret", "X-Mine": "1", "X-Forwarded-For": "10.9.9.9"}
        headers["Sec-WebSocket-Protocol"] = "chat, base64url.bearer.authorization.k8s.io.c2VjcmV0"
        code, response, _ = await to.get(f"{PROXY}/a%2520b//c?x=%252F&y", headers=headers)
        seen = await response.json()
        assert to.kubelet.ports == [80]
    assert code == 200
    assert (seen["method"], seen["path"]) == ("GET", "/a%2520b//c?x=%252F&y")
    assert seen["headers"]["X-Mine"] == "1"
    assert seen["headers"]["X-Forwarded-Uri"] == f"{PROXY}/a%2520b//c"
    assert seen["headers"]["X-Forwarded-For"].startswith("10.9.9.9, 127.")
    assert "Authorization" not in seen["headers"], "it was for the apiserver"
    assert seen["headers"]["Sec-WebSocket-Protocol"] == "chat", "and so was the other one"
    assert response.headers["X-Custom"] == "kept"
    assert not {"X-Hop", "Access-Control-Allow-Origin"} & set(response.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_every_method(tmp_path: Path, method: str) -> None:
    async with proxied(tmp_path) as to:
        sent = None if method in ("HEAD", "OPTIONS") else "content"
        code, response, body = await to.get(f"{PROXY}/", method, data=sent)
        assert code == 200
        if method == "HEAD":
            assert body == b"" and int(response.headers["Content-Length"]) > 0
            return
        seen = await response.json()
    assert (seen["method"], seen["body"]) == (method, sent or "")


async def test_large_bodies_in_pieces(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"y" * 65536

    async with proxied(tmp_path) as to:
        code, _, body = await to.get(f"{PROXY}/sums", "POST", data=pieces())
    assert (code, len(body)) == (200, 64 * 65536)


async def test_links_lead_through_the_proxy(tmp_path: Path) -> None:
    async with proxied(tmp_path) as to:
        code, response, _ = await to.get(f"{PROXY}?a=b")
        assert (code, response.headers["Location"]) == (301, f"{PROXY}/?a=b")
        code, response, _ = await to.get(f"{PROXY}/moved")
        assert (code, response.headers["Location"]) == (302, f"{PROXY}/there?a=b")
        _, _, body = await to.get(f"{PROXY}/page")
        assert body == f'<a href="{PROXY}/next">'.encode()


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    async with proxied(tmp_path) as to:
        with pytest.raises(aiohttp.ClientPayloadError):
            await to.get(f"{PROXY}/cut-off")


async def test_websockets_pass(tmp_path: Path) -> None:
    async with (
        proxied(tmp_path) as to,
        to.server.client.ws_connect(f"{PROXY}/socket", protocols=("chat",)) as connected,
    ):
        assert connected.protocol == "chat"
        for text in ("one", "x" * 300_000):
            await connected.send_str(text)
            assert await connected.receive_str() == f"echo {text}"


async def test_https(tmp_path: Path) -> None:
    from tests.support.certificates import Authority

    (tmp_path / "backend").mkdir()
    files = Authority(tmp_path / "backend").issue("backend", address=BACKEND)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.cert, files.key)
    async with proxied(tmp_path, tls) as to:
        path = PROXY.replace("/p/", "/https:p:/")
        code, response, _ = await to.get(f"{path}/a")
        assert (code, (await response.json())["path"]) == (200, "/a")
        assert to.kubelet.ports == [443]
    async with proxied(tmp_path) as to:
        code, status = await to.server.json("GET", f"{path}/a")
    assert code == 503
    assert "tls: first record does not look like a TLS handshake" in status["message"]


async def test_services(tmp_path: Path) -> None:
    base = "/api/v1/namespaces/ns/services"
    async with proxied(tmp_path) as to:
        registry = to.server.registry
        registry.put(
            SERVICES, {"metadata": {"name": "web", "namespace": "ns"}, "spec": {"ports": [{"port": 80}]}}
        )
        code, status = await to.server.json("GET", f"{base}/web/proxy/")
        assert (code, status["message"]) == (404, 'endpoints "web" not found')
        endpoints = {"metadata": {"name": "web", "namespace": "ns"}}
        registry.put(ENDPOINTS, endpoints)
        code, status = await to.server.json("GET", f"{base}/web/proxy/")
        assert (code, status["reason"]) == (503, "ServiceUnavailable")
        assert status["message"] == 'no endpoints available for service "web"'
        target = {"kind": "Pod", "namespace": "ns", "name": "p"}
        gone = {"kind": "Pod", "namespace": "ns", "name": "gone"}
        addresses = [{"ip": "10.0.0.1", "targetRef": target}, {"ip": "10.0.0.2", "targetRef": gone}]
        registry.put(
            ENDPOINTS, {**endpoints, "subsets": [{"addresses": addresses, "ports": [{"port": 8080}]}]}
        )
        for path in ("web", "web:80", "http:web:80"):
            assert (await to.get(f"{base}/{path}/proxy/"))[0] == 200
        assert to.kubelet.ports == [8080, 8080, 8080]
        code, status = await to.server.json("GET", f"{base}/web:81/proxy/")
        assert (code, status["message"]) == (503, 'no service port 81 found for service "web"')
        registry.put(
            PODS, {**(await registry.get(PODS, "ns", "p")).decode(), "status": {"podIP": "10.0.0.9"}}
        )
        code, status = await to.server.json("GET", f"{base}/web:80/proxy/")
        assert (code, status["message"]) == (503, 'no endpoints available for service "web:80"')


async def test_a_port_that_nobody_listens_on(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, _):
        code, status = await server.json("GET", PROXY.replace("/p/", "/p:1/") + "/")
    assert code == 503
    why = "dial tcp 127.0.0.1:1: connect: connection refused"
    assert status["message"] == f"error trying to reach service: {why}"


async def test_nodes(tmp_path: Path) -> None:
    base = "/api/v1/nodes/node1"
    async with proxied(tmp_path) as to:
        code, _, body = await to.get(f"{base}/proxy/healthz")
        assert (code, body) == (200, b"ok")
        code, pods = await to.server.json("GET", f"{base}/proxy/pods")
        assert {pod["metadata"]["name"] for pod in pods["items"]} >= {"p", "two"}
        to.kubelet.logs = [b"line\n"]
        code, _, body = await to.get(f"{base}/proxy/containerLogs/ns/two/b")
        assert (code, body, to.kubelet.log_request.container.container) == (200, b"line\n", "b")
        assert (await to.get(f"{base}/proxy/containerLogs/ns/pending/c"))[0] == 404
        assert (await to.get(f"{base}/proxy/nothing"))[0] == 404
        code, status = await to.server.json("GET", f"{base}:1/proxy/")
        assert code == 503
        assert status["message"].endswith(":1: connect: connection refused")


async def test_a_server_that_stops_ends_what_it_proxies(tmp_path: Path) -> None:
    async with (
        proxied(tmp_path) as to,
        to.server.client.ws_connect(f"{PROXY}/socket", protocols=("chat",)) as connected,
    ):
        async with asyncio.timeout(20):
            await to.server.runner.shutdown()
            assert (await connected.receive()).type is aiohttp.WSMsgType.CLOSED
