"""`kubectl exec` and `kubectl attach`: a WebSocket on one side, the kubelet's stream on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import grpc
import grpc.aio
import orjson
from aiohttp import WSMsgType, web
from multidict import MultiMapping

from podyard.api.errors import StatusError, bad_request
from podyard.apiserver.bodies import boolean
from podyard.apiserver.connect.channels import (
    MAX_MESSAGE_BYTES,
    PROTOCOLS,
    Channel,
    Options,
    decode,
    encode,
    exit_status,
)
from podyard.apiserver.connect.kubelets import Kubelets, refused
from podyard.apiserver.connect.target import check_running, choose_container, container_ref
from podyard.apiserver.longrunning import LongRunning
from podyard.proto.streaming_pb2 import StreamInput, StreamOutput, StreamStart

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[StreamInput, StreamOutput]

Verb = Literal["exec", "attach"]

_PING_SECONDS = 30.0


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
    check_upgrade(request)  # last: kubectl falls back to SPDY and shows what that is answered
    start = StreamStart(
        container=container_ref(pod, container),
        command=command,
        stdin=options.stdin,
        stdout=options.stdout,
        stderr=options.stderr,
        tty=options.tty,
    )
    async with kubelets.of(pod) as kubelet:
        call = kubelet.Exec() if verb == "exec" else kubelet.Attach()
        socket = web.WebSocketResponse(
            protocols=PROTOCOLS, max_msg_size=MAX_MESSAGE_BYTES, compress=False, heartbeat=_PING_SECONDS
        )
        await socket.prepare(request)
        try:
            with long_running.track():
                await socket.send_bytes(encode(options.first_output, b""))
                status = await _bridge(call, start, socket, options, pod["spec"]["nodeName"])
                if status is not None:
                    await socket.send_bytes(encode(Channel.ERROR, orjson.dumps(status)))
            await socket.close()
        finally:
            call.cancel()
    return socket


def check_upgrade(request: web.Request) -> None:
    """Refuse (400) what is no WebSocket of a protocol that is spoken."""
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade.startswith("spdy/"):
        raise bad_request(
            "SPDY streams are not supported by this server yet: "
            "use kubectl 1.30 or later, which uses WebSockets"
        )
    if upgrade != "websocket":
        raise bad_request("Upgrade request required")
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if not set(offered) & set(PROTOCOLS):
        spoken = ", ".join(PROTOCOLS)
        raise bad_request(f"unsupported WebSocket protocols {offered}: this server speaks {spoken}")


def stream_options(query: MultiMapping[str]) -> Options:
    """Which streams the query asks for. Raises StatusError 400 when it is none."""
    options = Options(**{name: boolean(query, name) for name in ("stdin", "stdout", "stderr", "tty")})
    if not (options.stdin or options.stdout or options.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return options


async def _bridge(
    call: Call, start: StreamStart, socket: web.WebSocketResponse, options: Options, node: str
) -> dict[str, Any] | None:
    """Pass both directions on until either ends.

    Gives the Status for the error channel, or None when nobody listens any more.
    """
    upward = asyncio.create_task(_send_input(call, start, socket, options))
    downward = asyncio.create_task(_send_output(call, socket))
    try:
        await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
        if upward.done() and not downward.done():
            failure = upward.exception()
            if failure is None:
                return None  # the client has closed its side
            if isinstance(failure, StatusError):
                return failure.status
        return await downward  # where a failure of the call itself shows, too
    except grpc.aio.AioRpcError as error:
        return refused(error, node).status
    finally:
        for task in (upward, downward):
            task.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)


async def _send_input(
    call: Call, start: StreamStart, socket: web.WebSocketResponse, options: Options
) -> None:
    """From the client to the kubelet, until the client closes."""
    await call.write(StreamInput(start=start))
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        if (item := decode(message.data, options)) is not None:
            await call.write(item)


async def _send_output(call: Call, socket: web.WebSocketResponse) -> dict[str, Any]:
    """From the kubelet to the client, until the command ends; gives its Status."""
    while True:
        output = await call.read()
        if not isinstance(output, StreamOutput):
            break  # EOF
        kind = output.WhichOneof("kind")
        if kind == "stdout":
            await socket.send_bytes(encode(Channel.STDOUT, output.stdout))
        elif kind == "stderr":
            await socket.send_bytes(encode(Channel.STDERR, output.stderr))
        elif kind == "exit":
            return exit_status(output.exit)
    if await call.code() is not grpc.StatusCode.OK:
        trailing = await call.trailing_metadata()
        raise grpc.aio.AioRpcError(
            await call.code(), grpc.aio.Metadata(), trailing, details=await call.details()
        )
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
