"""`kubectl exec` and `kubectl attach`: a WebSocket or SPDY on one side, the kubelet's stream on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web
from multidict import MultiMapping

from podyard.api.errors import bad_request
from podyard.apiserver.bodies import boolean
from podyard.apiserver.connect import spdy_remote, websocket_remote
from podyard.apiserver.connect.accept import accepted_spdy, accepted_websocket
from podyard.apiserver.connect.bridge import bridge
from podyard.apiserver.connect.channels import ChannelSocket
from podyard.apiserver.connect.kubelets import Kubelets
from podyard.apiserver.connect.negotiation import negotiate_stream
from podyard.apiserver.connect.remote import Options, Remote
from podyard.apiserver.connect.spdy_remote import SpdyRemote
from podyard.apiserver.connect.target import check_running, choose_container, container_ref
from podyard.apiserver.connect.websocket_remote import WebSocketRemote
from podyard.apiserver.longrunning import LongRunning
from podyard.proto.streaming_pb2 import StreamStart

Verb = Literal["exec", "attach"]


async def serve_stream(
    request: web.Request,
    pod: Mapping[str, Any],
    verb: Verb,
    kubelets: Kubelets,
    long_running: LongRunning,
) -> web.StreamResponse:
    """Run a command in a container, or attach to it, for as long as both sides want."""
    options = stream_options(request.query)
    command = request.query.getall("command", [])
    if verb == "exec" and not command:
        raise bad_request("you must specify at least one command for the pod exec subresource")
    container = choose_container(pod, request.query.get("container", ""))
    check_running(pod, "exec into" if verb == "exec" else "attach to")
    start = StreamStart(
        container=container_ref(pod, container),
        command=command,
        stdin=options.stdin,
        stdout=options.stdout,
        stderr=options.stderr,
        tty=options.tty,
    )
    async with kubelets.of(pod) as kubelet, _answered(request, options) as (response, remote):
        call = kubelet.Exec() if verb == "exec" else kubelet.Attach()
        with long_running.track():
            try:
                status = await bridge(call, start, remote, pod["spec"]["nodeName"])
            finally:
                call.cancel()
            if status is not None:
                await remote.finish(status)
    return response


def stream_options(query: MultiMapping[str]) -> Options:
    """Which streams the query asks for. Raises StatusError 400 when it is none."""
    stdin, stdout, stderr, tty = (boolean(query, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return Options(stdin, stdout, stderr and not tty, tty)  # all output of a terminal is standard output


@asynccontextmanager
async def _answered(
    request: web.Request, options: Options
) -> AsyncIterator[tuple[web.StreamResponse, Remote]]:
    """Answer 101."""
    spoken = negotiate_stream(
        request.headers, spdy=spdy_remote.PROTOCOLS, websocket=websocket_remote.PROTOCOLS
    )
    if spoken.transport == "websocket":
        async with accepted_websocket(request, spoken.protocol) as socket:
            yield socket, WebSocketRemote(ChannelSocket(socket, spoken.protocol), options, spoken.protocol)
    else:
        async with accepted_spdy(request, spoken) as (response, session):
            yield response, SpdyRemote(session, options, spoken.protocol)
