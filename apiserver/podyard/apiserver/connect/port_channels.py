"""Port-forward over the channels of a WebSocket, as clients in browsers and kubernetes' Python client use it.

Every port that the query names has one connection, on two channels: data, and why it failed. On both the
port comes first, in two bytes (pkg/kubelet/cri/streaming/portforward/websocket.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from multidict import MultiMapping

from podyard.api.errors import bad_request
from podyard.apiserver.connect.channels import UNNAMED, V4, V4_BASE64, ChannelSocket
from podyard.apiserver.connect.forwarding import HIGH_WATER_BYTES, forward, port_number
from podyard.apiserver.connect.inbox import Inbox

if TYPE_CHECKING:
    from podyard.proto.streaming_pb2_grpc import StreamingAsyncStub

PROTOCOLS = (V4, V4_BASE64, UNNAMED)


def ports_of(query: MultiMapping[str]) -> list[int]:
    """The ports of PodPortForwardOptions. Raises StatusError 400."""
    found = []
    for text in ",".join(query.getall("ports", [])).split(","):
        port = port_number(text)
        if port is None:
            raise bad_request(f'query parameter "ports" has {text!r}, which is no port from 1 to 65535')
        found.append(port)
    return found


class PortChannels:
    """Serves one WebSocket."""

    def __init__(
        self, socket: ChannelSocket, kubelet: StreamingAsyncStub, pod: Mapping[str, Any], ports: Sequence[int]
    ) -> None:
        self._socket = socket
        self._kubelet = kubelet
        self._pod = pod
        self._ports = ports
        self._inboxes = [Inbox(HIGH_WATER_BYTES) for _ in ports]

    async def run(self) -> None:
        """Forward until every connection has ended, or the client closes."""
        for number, port in enumerate(self._ports):
            for channel in (2 * number, 2 * number + 1):
                await self._socket.send(channel, port.to_bytes(2, "little"))
        connections = asyncio.gather(*(self._forward(number) for number in range(len(self._ports))))
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait((connections, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            connections.cancel()
            receiving.cancel()
            await asyncio.gather(connections, receiving, return_exceptions=True)

    async def _forward(self, number: int) -> None:
        inbox, send = self._inboxes[number], partial(self._socket.send, 2 * number)
        why = await forward(self._kubelet, self._pod, self._ports[number], inbox, send)
        inbox.close()
        if why:
            await self._socket.send(2 * number + 1, why.encode())

    async def _receive(self) -> None:
        while (message := await self._socket.receive()) is not None:
            channel, data = message
            number, is_error = divmod(channel, 2)
            if data and not is_error and number < len(self._inboxes):
                self._inboxes[number].put(data)
                await self._inboxes[number].room()
