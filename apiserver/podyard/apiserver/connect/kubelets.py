"""Dialling a node's kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
import orjson

from podyard.api.errors import StatusError, service_unavailable, status_error
from podyard.api.resources import NODES
from podyard.apiserver.connect.target import kubelet_address
from podyard.apiserver.registry import Registry
from podyard.process.tls import TlsFiles
from podyard.proto.streaming_pb2_grpc import StreamingStub

if TYPE_CHECKING:
    from podyard.proto.streaming_pb2_grpc import StreamingAsyncStub

STATUS_METADATA = "podyard-status-bin"
"""The trailing metadata in which a refusal travels as a Status."""

CHECK_SECONDS = 5.0

_OPTIONS = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class Kubelets:
    """Finds the kubelet of a pod and speaks to it with the apiserver's own certificate."""

    def __init__(self, registry: Registry, tls: TlsFiles | None) -> None:
        self._registry = registry
        self._tls = tls

    @asynccontextmanager
    async def of(self, pod: Mapping[str, Any]) -> AsyncIterator[StreamingAsyncStub]:
        """A connection to the kubelet of the pod's node."""
        async with self._channel(pod["spec"]["nodeName"]) as channel:
            yield cast("StreamingAsyncStub", StreamingStub(channel))

    async def check(self, node: str) -> None:
        """Nothing, if the kubelet of a node takes connections. Raises StatusError 502."""
        async with self._channel(node) as channel:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await channel.channel_ready()
            except TimeoutError:
                raise unreachable(node, f"no answer within {CHECK_SECONDS:g} s") from None

    @asynccontextmanager
    async def _channel(self, node_name: str) -> AsyncIterator[grpc.aio.Channel]:
        if self._tls is None:
            raise service_unavailable("the apiserver has no kubelet client certificate")
        node = await self._registry.get(NODES, "", node_name)
        address = kubelet_address(node.decode())
        credentials = self._tls.channel_credentials()
        async with grpc.aio.secure_channel(address, credentials, options=_OPTIONS) as channel:
            yield channel


def unreachable(node: str, why: str) -> StatusError:
    """What the user is told of a kubelet that cannot be reached."""
    return status_error(502, "InternalError", f"error dialing backend: kubelet of node {node}: {why}")


def refused(error: grpc.aio.AioRpcError, node: str) -> StatusError:
    """What a kubelet's refusal is to the user."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_METADATA and isinstance(value, bytes):
            return StatusError(orjson.loads(value))
    code, details = error.code(), error.details() or ""
    if code == grpc.StatusCode.UNAVAILABLE:
        return unreachable(node, details)
    return status_error(500, "InternalError", f"kubelet of node {node}: {details}")
