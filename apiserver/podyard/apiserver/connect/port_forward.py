"""Port-forward: connections to a pod's ports. kubectl's are in SPDY, which may come inside a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from podyard.api.errors import bad_request
from podyard.apiserver.connect import port_channels
from podyard.apiserver.connect.accept import Tunnel, accepted_spdy, accepted_websocket
from podyard.apiserver.connect.channels import ChannelSocket
from podyard.apiserver.connect.forwarding import HIGH_WATER_BYTES, forward, port_number
from podyard.apiserver.connect.inbox import Inbox
from podyard.apiserver.connect.kubelets import Kubelets
from podyard.apiserver.connect.negotiation import Spoken, negotiate_stream
from podyard.apiserver.connect.port_channels import PortChannels, ports_of
from podyard.apiserver.connect.spdy.session import Opened, Received, Session, Stream, WasReset
from podyard.apiserver.longrunning import LongRunning

if TYPE_CHECKING:
    from podyard.proto.streaming_pb2_grpc import StreamingAsyncStub

PROTOCOL = "portforward.k8s.io"
TUNNELLED = f"SPDY/3.1+{PROTOCOL}"
"""The sub-protocol of a WebSocket that carries SPDY (KEP-4006)."""


async def serve_port_forward(
    request: web.Request, pod: Mapping[str, Any], kubelets: Kubelets, long_running: LongRunning
) -> web.StreamResponse:
    """Forward connections until the client closes."""
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    websocket = (TUNNELLED, *port_channels.PROTOCOLS)
    spoken = negotiate_stream(request.headers, spdy=(PROTOCOL,), websocket=websocket)
    if spoken.protocol in port_channels.PROTOCOLS:
        return await _serve_channels(request, spoken.protocol, pod, kubelets, long_running)
    async with kubelets.of(pod) as kubelet, _answered(request, spoken) as (response, session):
        with long_running.track():
            await Forwarder(session, kubelet, pod).run()
    return response


async def _serve_channels(
    request: web.Request,
    protocol: str,
    pod: Mapping[str, Any],
    kubelets: Kubelets,
    long_running: LongRunning,
) -> web.StreamResponse:
    ports = ports_of(request.query)
    async with kubelets.of(pod) as kubelet, accepted_websocket(request, protocol) as socket:
        with long_running.track():
            await PortChannels(ChannelSocket(socket, protocol), kubelet, pod, ports).run()
    return socket


@asynccontextmanager
async def _answered(
    request: web.Request, spoken: Spoken
) -> AsyncIterator[tuple[web.StreamResponse, Session]]:
    """Answer 101."""
    if spoken.transport == "websocket":
        async with accepted_websocket(request, spoken.protocol) as socket:
            session = Session(Tunnel(socket))
            async with session.running():
                yield socket, session
    else:
        async with accepted_spdy(request, spoken) as (response, session):
            yield response, session


class Forwarder:
    """Serves one SPDY session: a pair of streams, of one `requestID`, is one connection."""

    def __init__(self, session: Session, kubelet: StreamingAsyncStub, pod: Mapping[str, Any]) -> None:
        self._session = session
        self._kubelet = kubelet
        self._pod = pod
        self._waiting: dict[str, dict[str, Stream]] = {}  # by requestID and streamType
        self._inboxes: dict[int, Inbox] = {}  # by the data stream's id
        self._connections: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Forward until the client closes the session; then every connection ends."""
        try:
            async for event in self._session.events():
                match event:
                    case Opened(stream):
                        self._opened(stream)
                    case Received(stream, data, fin):
                        if (inbox := self._inboxes.get(stream.id)) is not None:
                            await _put(inbox, data, fin)
                    case WasReset(stream):
                        self._was_reset(stream)
        finally:
            for task in self._connections.values():
                task.cancel()
            await asyncio.gather(*self._connections.values(), return_exceptions=True)

    def _opened(self, stream: Stream) -> None:
        kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
        request = stream.headers.get("requestid", "")
        pair = self._waiting.get(request, {})
        if kind not in ("error", "data") or kind in pair or port_number(port) is None:
            self._session.refuse(stream)
            return
        self._session.accept(stream)
        if kind == "data":
            inbox = self._inboxes[stream.id] = Inbox(HIGH_WATER_BYTES)
            if stream.client_finished:
                inbox.end()
        pair = self._waiting[request] = {**pair, kind: stream}
        if len(pair) == 2:
            del self._waiting[request]
            self._start(pair["data"], pair["error"])

    def _start(self, data: Stream, error: Stream) -> None:
        task = asyncio.create_task(self._forward(data, error))
        self._connections[data.id] = task
        task.add_done_callback(lambda _: self._ended(data))

    def _ended(self, data: Stream) -> None:
        del self._connections[data.id]
        if (inbox := self._inboxes.pop(data.id, None)) is not None:
            inbox.close()

    def _was_reset(self, stream: Stream) -> None:
        if stream in self._waiting.get(stream.headers.get("requestid", ""), {}).values():
            del self._waiting[stream.headers["requestid"]]
        if (inbox := self._inboxes.pop(stream.id, None)) is not None:
            inbox.close()
        if (task := self._connections.get(stream.id)) is not None:
            task.cancel()

    async def _forward(self, data: Stream, error: Stream) -> None:
        port = port_number(data.headers["port"]) or 0
        try:
            send = partial(self._session.send, data)
            why = await forward(self._kubelet, self._pod, port, self._inboxes[data.id], send)
            if why:
                await self._session.send(error, why.encode())
        except ConnectionError:
            return  # the client is gone
        finally:
            self._session.end(error)
            self._session.end(data)


async def _put(inbox: Inbox, data: bytes, fin: bool) -> None:
    """Hand on what has come; waits while the pod does not take it, and so do the other connections."""
    if data:
        inbox.put(data)
    if fin:
        inbox.end()
    await inbox.room()
