"""exec, attach and port-forward over SPDY, as kubectl 1.20 to 1.30 speak it, and inside a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.support.certificates import client_context
from tests.support.spdy import SpdyClient, spdy_client, upgraded
from tests.unit.apiserver.rest_cluster import POD, cluster
from tests.unit.apiserver.rest_kubelet import FakeKubelet
from tests.unit.apiserver.rest_server import ADDRESS, RestServer

V4 = "v4.channel.k8s.io"
PORT_FORWARD = "portforward.k8s.io"


@asynccontextmanager
async def speaking(server: RestServer, path: str, *protocols: str) -> AsyncIterator[SpdyClient]:
    files = server.authority.issue("admin-by-spdy", "system:masters")
    tls = client_context(files, server.authority.file)
    url = f"https://{ADDRESS}:{server.runner.addresses[0][1]}{path}"
    async with upgraded(url, tls, *protocols) as (client, headers):
        assert headers["upgrade"] == "SPDY/3.1"
        assert headers["x-stream-protocol-version"] == protocols[-1]
        yield client


async def opened(client: SpdyClient, *names: str) -> list[int]:
    return [await client.open(streamtype=name) for name in names]


@pytest.mark.parametrize(
    ("protocol", "error"),
    [
        (V4, None),
        ("v3.channel.k8s.io", b"command terminated with non-zero exit code: exit status 3"),
        ("v2.channel.k8s.io", b"command terminated with non-zero exit code: exit status 3"),
        ("channel.k8s.io", b"command terminated with non-zero exit code: exit status 3"),
    ],
)
async def test_exec(tmp_path: Path, protocol: str, error: bytes | None) -> None:
    command = "command=sh&command=-c&command=echo out;echo err 1>%262;exit 3".replace(" ", "%20")
    async with (
        cluster(tmp_path) as (server, kubelet),
        speaking(server, f"{POD}/exec?{command}&stdout=true&stderr=true", protocol) as client,
    ):
        failure, stdout, stderr = await opened(client, "error", "stdout", "stderr")
        await client.until(lambda: client.finished >= {failure, stdout, stderr})
        assert (client.received[stdout], client.received[stderr]) == (b"out\n", b"err\n")
        if error is not None:
            assert client.received[failure] == error
        else:
            status = orjson.loads(client.received[failure])
            assert status["reason"] == "NonZeroExitCode"
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        await client.until(lambda: client.gone_away)
        assert not client.closed  # it may go on reading as long as it likes
    assert kubelet.start.container.pod == "p"


async def test_the_first_protocol_that_both_know(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, _),
        speaking(server, f"{POD}/attach?stdout=1", "v5.channel.k8s.io", V4) as client,
    ):
        failure, stdout = await opened(client, "error", "stdout")
        await client.until(lambda: failure in client.finished)
        assert client.received[stdout] == b"attached\n"
        assert orjson.loads(client.received[failure])["status"] == "Success"


async def test_input_and_sizes_in_pieces(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, kubelet),
        speaking(server, f"{POD}/exec?command=cat&stdin=1&stdout=1&stderr=1&tty=1", V4) as client,
    ):
        failure, stdin, stdout, resize = await opened(client, "error", "stdin", "stdout", "resize")
        await client.send(resize, b'{"Width":99,"Height":33}\n{"Width":1')
        await client.send(resize, b'20,"Height":40}\n')
        await client.send(stdin, b"hello ")
        await client.send(stdin, b"world", fin=True)
        await client.until(lambda: failure in client.finished)
        assert client.received[stdout] == b"hello world"
        assert orjson.loads(client.received[failure])["status"] == "Success"
    assert kubelet.sizes == [(99, 33), (120, 40)]
    assert not kubelet.start.stderr


async def test_a_client_that_closes_ends_the_command(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        path = f"{POD}/exec?command=sh&command=-c&command=echo%20a;exec%20sleep%20100&stdout=1"
        async with speaking(server, path, V4) as client:
            _, stdout = await opened(client, "error", "stdout")
            await client.until(lambda: client.received[stdout])
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()


async def test_a_server_that_stops_ends_the_stream(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        path = f"{POD}/exec?command=sh&command=-c&command=echo%20a;exec%20sleep%20100&stdout=1"
        async with speaking(server, path, V4) as client:
            _, stdout = await opened(client, "error", "stdout")
            await client.until(lambda: client.received[stdout])
            async with asyncio.timeout(20):
                await server.runner.shutdown()
                await client.until(lambda: client.closed)
                await kubelet.cancelled.wait()


async def test_streams_that_nobody_has_asked_for_are_refused(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, _),
        speaking(server, f"{POD}/exec?command=cat&stdin=1&stdout=1", V4) as client,
    ):
        _, stdin, stdout, stderr, nonsense, again = await opened(
            client, "error", "stdin", "stdout", "stderr", "nonsense", "stdout"
        )
        assert client.reset == {stderr: 3, nonsense: 3, again: 3}
        await client.send(stdin, b"x", fin=True)
        await client.until(lambda: stdout in client.finished)
        assert client.received[stdout] == b"x"


async def test_a_client_that_speaks_something_else_is_cut_off(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, _),
        speaking(server, f"{POD}/exec?command=cat&stdin=1&stdout=1", V4) as client,
    ):
        await client.raw(b"\xff" * 64)
        await client.until(lambda: client.closed)
        assert client.closed


async def test_protocols_that_nobody_speaks(tmp_path: Path) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v9, v8"}
    async with cluster(tmp_path) as (server, _):
        code, status = await server.json("POST", f"{POD}/portforward", headers=headers)
    assert (code, status["message"]) == (
        403,
        "unable to upgrade: unable to negotiate protocol: "
        "client supports [v9 v8], server accepts [portforward.k8s.io]",
    )


class WebSocketBytes:
    """The bytes inside a WebSocket's messages, each split into two as kubectl splits them, too."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return bytes(message.data) if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data[:2])
        await self._socket.send_bytes(data[2:])

    async def close(self) -> None:
        await self._socket.close()


@asynccontextmanager
async def forwarding(
    directory: Path, transport: str
) -> AsyncIterator[tuple[SpdyClient, FakeKubelet, RestServer]]:
    async with cluster(directory) as (server, kubelet):
        if transport == "spdy":
            async with speaking(server, f"{POD}/portforward", PORT_FORWARD) as client:
                yield client, kubelet, server
            return
        protocols = (f"SPDY/3.1+{PORT_FORWARD}",)
        async with server.client.ws_connect(f"{POD}/portforward", protocols=protocols) as socket:
            assert socket.protocol == protocols[0]
            async with spdy_client(WebSocketBytes(socket)) as client:
                yield client, kubelet, server


async def connection(client: SpdyClient, port: int, request: int) -> tuple[int, int]:
    """Open the two streams of a connection: error (which the client ends at once) and data."""
    about = {"port": str(port), "requestid": str(request)}
    error = await client.open(streamtype="error", **about)
    await client.send(error, b"", fin=True)
    return error, await client.open(streamtype="data", **about)


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
async def test_port_forward(tmp_path: Path, transport: str) -> None:
    """Two connections at once; each ends by itself."""
    async with forwarding(tmp_path, transport) as (client, kubelet, _):
        error, data = await connection(client, 80, 0)
        other_error, other = await connection(client, 8080, 1)
        await client.send(data, b"one" * 100_000)
        await client.send(other, b"two", fin=True)
        await client.until(lambda: {other, other_error} <= client.finished)
        assert client.received[other] == b"two"
        await client.until(lambda: len(client.received[data]) == 300_000)
        assert not {data, error} & client.finished
        await client.send(data, b"", fin=True)
        await client.until(lambda: {data, error} <= client.finished)
        assert client.received[error] == client.received[other_error] == b""
    assert sorted(kubelet.ports) == [80, 8080]


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
async def test_a_port_where_nobody_listens(tmp_path: Path, transport: str) -> None:
    async with forwarding(tmp_path, transport) as (client, _, _):
        error, data = await connection(client, 1, 0)
        await client.until(lambda: {data, error} <= client.finished)
        assert client.received[error] == (
            b"error forwarding port 1 to pod p, uid uid-p: dial tcp 127.0.0.1:1: connect: connection refused"
        )
        _, data = await connection(client, 80, 1)  # the others go on
        await client.send(data, b"still there", fin=True)
        await client.until(lambda: data in client.finished)
        assert client.received[data] == b"still there"


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_ends_the_connection(tmp_path: Path, how: str) -> None:
    async with forwarding(tmp_path, "spdy") as (client, kubelet, _):
        error, data = await connection(client, 2, 0)
        await client.send(data, b"x")
        await client.until(lambda: client.received[data])
        if how == "reset":
            await client.cancel(data)
            await client.until(lambda: error in client.finished)
        else:
            await client.close()
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "data", "port": "0", "requestid": "1"},
        {"streamtype": "data", "port": "65536", "requestid": "1"},
        {"streamtype": "data", "port": "http", "requestid": "1"},
        {"streamtype": "data", "requestid": "1"},
        {"streamtype": "stdin", "port": "80", "requestid": "1"},
    ],
)
async def test_port_forward_refuses_what_is_no_connection(tmp_path: Path, headers: dict[str, str]) -> None:
    async with forwarding(tmp_path, "spdy") as (client, kubelet, _):
        stream = await client.open(**headers)
        assert client.reset == {stream: 3}
    assert kubelet.ports == []


async def test_a_second_stream_of_the_same_kind_is_refused(tmp_path: Path) -> None:
    async with forwarding(tmp_path, "spdy") as (client, _, _):
        about = {"streamtype": "error", "port": "80", "requestid": "1"}
        first, second = await client.open(**about), await client.open(**about)
        assert client.reset == {second: 3}
        await client.cancel(first)
        third = await client.open(**about)  # the place is free again
        assert third in client.replied
