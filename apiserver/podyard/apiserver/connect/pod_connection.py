"""A TCP connection to a port of a pod, through its kubelet: the apiserver may not reach pods by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc.aio

from podyard.apiserver.connect.kubelets import refused
from podyard.apiserver.connect.target import container_ref
from podyard.proto.streaming_pb2 import PortForwardInput, PortForwardOutput, PortForwardStart

if TYPE_CHECKING:
    from podyard.proto.streaming_pb2_grpc import StreamingAsyncStub


class PodUnreachable(ConnectionError):
    """The pod, or its kubelet, has not taken the connection; the text says why."""


class PodConnection:
    """One connection (a ByteStream): to the pod's localhost, or to its address.

    It stands from the first `read` on that raises nothing.
    """

    def __init__(
        self, kubelet: StreamingAsyncStub, pod: Mapping[str, Any], port: int, *, by_address: bool = False
    ) -> None:
        self._call = kubelet.PortForward()
        self._node = pod["spec"]["nodeName"]
        self._start = PortForwardStart(pod=container_ref(pod, ""), port=port, by_address=by_address)

    async def open(self) -> None:
        """Ask for it; once, and before anything else."""
        await self._write(PortForwardInput(start=self._start))

    async def write(self, data: bytes) -> None:
        """Send; waits while the pod does not read. Raises PodUnreachable."""
        await self._write(PortForwardInput(data=data))

    async def end(self) -> None:
        """Send no more."""
        await self._write(PortForwardInput(closed=True))

    async def read(self) -> bytes:
        """Some bytes; b"" once the pod sends no more. Raises PodUnreachable."""
        try:
            output = await self._call.read()
            if isinstance(output, PortForwardOutput):
                if output.HasField("end") and output.end.message:
                    raise PodUnreachable(output.end.message)
                return output.data
            raise grpc.aio.AioRpcError(
                await self._call.code(),
                grpc.aio.Metadata(),
                await self._call.trailing_metadata(),
                await self._call.details(),
            )
        except grpc.aio.AioRpcError as failure:
            raise PodUnreachable(refused(failure, self._node).message) from None

    def close(self) -> None:
        """End the call, and the connection with it."""
        self._call.cancel()

    async def _write(self, item: PortForwardInput) -> None:
        try:
            await self._call.write(item)
        except grpc.aio.AioRpcError as failure:
            raise PodUnreachable(refused(failure, self._node).message) from None
        except asyncio.InvalidStateError:
            raise PodUnreachable("the connection has ended") from None
