"""Port-forward over the channels of a WebSocket."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import aiohttp
import pytest

from podyard.apiserver.connect.channels import UNNAMED, V4, V4_BASE64
from tests.unit.apiserver.rest_cluster import POD, cluster

FORWARD = f"{POD}/portforward"


class Channels:
    """The client's end."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, text: bool = False) -> None:
        self._socket = socket
        self._text = text
        self.received: dict[int, bytes] = {}

    async def send(self, channel: int, data: bytes) -> None:
        if self._text:
            await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)

    async def until(self, channel: int, data: bytes) -> None:
        """Wait until so much has come on a channel, after the port."""
        async with asyncio.timeout(20):
            while self.received.get(channel, b"")[2:] != data:
                await self.receive()

    async def receive(self) -> None:
        message = await self._socket.receive()
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        if self._text:
            channel, data = int(message.data[0]), base64.b64decode(message.data[1:])
        else:
            channel, data = message.data[0], message.data[1:]
        self.received[channel] = self.received.get(channel, b"") + data


@pytest.mark.parametrize("protocol", [V4, V4_BASE64, UNNAMED])
@pytest.mark.parametrize("ports", ["ports=80&ports=8080", "ports=80,8080"])
async def test_each_port_has_a_connection(tmp_path: Path, protocol: str, ports: str) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        protocols = (protocol,) if protocol else ()
        async with server.client.ws_connect(f"{FORWARD}?{ports}", protocols=protocols) as socket:
            assert socket.protocol == (protocol or None)
            client = Channels(socket, text=protocol == V4_BASE64)
            for _ in range(4):
                await client.receive()
            http, other = (80).to_bytes(2, "little"), (8080).to_bytes(2, "little")
            assert client.received == {0: http, 1: http, 2: other, 3: other}
            await client.send(0, b"one" * 100_000)
            await client.send(2, b"two")
            await client.until(2, b"two")
            await client.until(0, b"one" * 100_000)
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()
    assert sorted(kubelet.ports) == [80, 8080]


async def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, _),
        server.client.ws_connect(f"{FORWARD}?ports=1", protocols=(V4,)) as socket,
    ):
        found = [message.data async for message in socket]
        assert socket.close_code == 1000
    assert found[-1] == (
        b"\x01error forwarding port 1 to pod p, uid uid-p: dial tcp 127.0.0.1:1: connect: connection refused"
    )


@pytest.mark.parametrize(("ports", "wrong"), [("", ""), ("ports=http", "http"), ("ports=80,0", "0")])
async def test_ports_that_are_none(tmp_path: Path, ports: str, wrong: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": V4}
    async with cluster(tmp_path) as (server, _):
        code, status = await server.json("GET", f"{FORWARD}?{ports}", headers=headers)
    why = f"query parameter \"ports\" has '{wrong}', which is no port from 1 to 65535"
    assert (code, status["message"]) == (400, why)
