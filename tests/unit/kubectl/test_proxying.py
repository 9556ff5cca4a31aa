"""The HTTP server of `podyard kubectl proxy`, before a server that shows what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from podyard.kubectl.errors import CommandError
from podyard.kubectl.kubeconfig import Target
from podyard.kubectl.proxying import ApiProxy, Filter, patterns
from podyard.kubectl.transport import Transport

ADDRESS = "127.200.5.1"

DEFAULT = Filter(
    accept_paths=patterns("^.*"),
    reject_paths=patterns("^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach"),
    accept_hosts=patterns(r"^localhost$,^127\.0\.0\.1$,^\[::1\]$"),
    reject_methods=patterns("^$"),
)


@pytest.mark.parametrize(
    ("method", "path", "host", "accepted"),
    [
        ("GET", "/api", "localhost", True),
        ("DELETE", "/api/v1/pods", "127.0.0.1:8001", True),
        ("GET", "/", "[::1]:8001", True),
        ("GET", "/api", "evil.example", False),
        ("GET", "/api", "localhost.evil.example:8001", False),
        ("GET", "/api", "", False),
        ("POST", "/api/v1/namespaces/n/pods/p/exec", "localhost", False),
        ("GET", "/api/v1/namespaces/n/pods/p/attach", "localhost", False),
        ("GET", "/api/v1/namespaces/n/pods/p/log", "localhost", True),
    ],
)
def test_the_filter(method: str, path: str, host: str, accepted: bool) -> None:
    assert DEFAULT.accepts(method, path, host) is accepted


def test_methods_and_patterns() -> None:
    reading = Filter(DEFAULT.accept_paths, (), DEFAULT.accept_hosts, patterns("POST,PUT"))
    assert reading.accepts("GET", "/", "localhost")
    assert not reading.accepts("POST", "/", "localhost")
    with pytest.raises(CommandError, match="Error compiling re"):
        patterns("a,[")


async def show(request: web.Request) -> web.StreamResponse:
    """Tell what has come, or go on as a WebSocket."""
    if "Upgrade" in request.headers:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"echo {message.data}")
        return socket
    body = await request.text()
    seen = {
        "method": request.method,
        "path": request.raw_path,
        "headers": dict(request.headers),
        "body": body,
    }
    return web.json_response(seen, status=201 if request.method == "POST" else 200)


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    client: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any]:
        """Status and what the server has seen, or the text of the answer."""
        async with self.client.request(method, self.url + path, **options) as response:
            json = response.content_type == "application/json" and method != "HEAD"
            return response.status, await response.json() if json else await response.text()


@asynccontextmanager
async def running(
    prefix: str = "/", allowed: Filter | None = None, *, down: bool = False
) -> AsyncIterator[Proxy]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, ADDRESS, 0)
    await site.start()
    server = f"http://{ADDRESS}:{runner.addresses[0][1]}"
    if down:
        await site.stop()
    transport = Transport(Target({"server": server}, {"token": "secret"}, "default", False))
    proxy = await asyncio.start_server(ApiProxy(transport, prefix, allowed).serve, ADDRESS, 0)
    port = proxy.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession() as client:
            yield Proxy(f"http://{ADDRESS}:{port}", client)
    finally:
        proxy.close()
        await runner.cleanup()


async def test_requests_pass_as_the_user() -> None:
    async with running() as proxy:
        code, seen = await proxy.ask(
            "/api/v1/pods?limit=1&a=%2B", headers={"X-Mine": "1", "Connection": "x-hop", "X-Hop": "1"}
        )
        assert code == 200
        assert (seen["method"], seen["path"], seen["body"]) == ("GET", "/api/v1/pods?limit=1&a=%2B", "")
        headers = seen["headers"]
        assert (headers["Authorization"], headers["X-Mine"]) == ("Bearer secret", "1")
        assert headers["X-Forwarded-For"].startswith("127.")
        assert "X-Hop" not in headers
        assert headers["Host"] != proxy.url.removeprefix("http://"), "it is asked by its own name"
        code, seen = await proxy.ask("/", headers={"Authorization": "Bearer own"})
        assert seen["headers"]["Authorization"] == "Bearer own"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies(method: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with running() as proxy:
        for data in (b"one two", pieces()):
            code, seen = await proxy.ask("/a", method, data=data)
            assert (code, seen["body"]) == (201 if method == "POST" else 200, "one two")
        code, seen = await proxy.ask("/a", method, data=b"x", expect100=True)
        assert seen["body"] == "x"
        assert await proxy.ask("/a", "HEAD") == (200, "")


async def test_several_requests_on_one_connection() -> None:
    async with running() as proxy:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as one:
            alone = Proxy(proxy.url, one)
            for number in range(3):
                code, seen = await alone.ask(f"/{number}", "POST", data="x")
                assert (code, seen["path"]) == (201, f"/{number}")


async def test_websockets() -> None:
    async with running() as proxy, proxy.client.ws_connect(f"{proxy.url}/watch") as socket:
        for text in ("one", "x" * 300_000):
            await socket.send_str(text)
            assert await socket.receive_str() == f"echo {text}"


async def test_refusals() -> None:
    async with running(allowed=DEFAULT) as proxy:
        assert await proxy.ask("/api") == (403, "Forbidden\n"), "its address is not among the hosts"
        assert (await proxy.ask("/api", headers={"Host": "localhost"}))[0] == 200
    async with running("/k8s/") as proxy:
        assert (await proxy.ask("/k8s/api"))[1]["path"] == "/api"
        assert await proxy.ask("/api") == (404, "404 page not found\n")
    async with running(down=True) as proxy:
        code, text = await proxy.ask("/api")
        assert code == 500
        assert text.endswith(": connect: connection refused\n")
