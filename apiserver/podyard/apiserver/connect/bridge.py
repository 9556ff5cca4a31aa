"""Between a client and a kubelet: passes exec and attach on, in both directions, until either ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from podyard.api.errors import StatusError
from podyard.apiserver.connect.kubelets import refused
from podyard.apiserver.connect.remote import Remote, Status, exit_status
from podyard.proto.streaming_pb2 import StreamInput, StreamOutput, StreamStart

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[StreamInput, StreamOutput]


async def bridge(call: Call, start: StreamStart, remote: Remote, node: str) -> Status | None:
    """Pass everything on. Gives how the command ended, or None when nobody listens any more."""
    if not await remote.open():
        return None
    upward = asyncio.create_task(_send_input(call, start, remote))
    downward = asyncio.create_task(_send_output(call, remote))
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


async def _send_input(call: Call, start: StreamStart, remote: Remote) -> None:
    """From the client to the kubelet, until the client closes."""
    await call.write(StreamInput(start=start))
    while (item := await remote.receive()) is not None:
        await call.write(item)


async def _send_output(call: Call, remote: Remote) -> Status:
    """From the kubelet to the client, until the command ends; gives its Status."""
    while True:
        output = await call.read()
        if not isinstance(output, StreamOutput):
            break  # EOF
        kind = output.WhichOneof("kind")
        if kind == "stdout":
            await remote.stdout(output.stdout)
        elif kind == "stderr":
            await remote.stderr(output.stderr)
        elif kind == "exit":
            return exit_status(output.exit)
    if await call.code() is not grpc.StatusCode.OK:
        trailing = await call.trailing_metadata()
        raise grpc.aio.AioRpcError(
            await call.code(), grpc.aio.Metadata(), trailing, details=await call.details()
        )
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
