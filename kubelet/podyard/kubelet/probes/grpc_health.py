"""grpc probes: the standard health service answers SERVING (pkg/probe/grpc, grpc.health.v1)."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from podyard.kubelet.probes import ProbeResult

METHOD = "/grpc.health.v1.Health/Check"
STATUS_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
SERVING = 1


def encode_request(service: str) -> bytes:
    """HealthCheckRequest{string service = 1}."""
    name = service.encode()
    if not name:
        return b""
    size, length = bytearray(), len(name)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return b"\x0a" + bytes([*size, length]) + name


def decode_status(reply: bytes) -> int:
    """HealthCheckResponse{ServingStatus status = 1}."""
    return reply[1] if len(reply) >= 2 and reply[0] == 0x08 else 0


async def probe_grpc(host: str, port: int, service: str, timeout: float) -> ProbeResult:
    """Ask the health service at host:port about `service` ("" is the whole server)."""
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        check: Any = channel.unary_unary(METHOD)
        try:
            reply = await check(encode_request(service), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return ProbeResult("failure", _explain(error, f"{host}:{port}", timeout))
    status = decode_status(reply)
    if status == SERVING:
        return ProbeResult("success")
    name = STATUS_NAMES.get(status, str(status))
    return ProbeResult("failure", f'service unhealthy (responded with "{name}")')


def _explain(error: grpc.aio.AioRpcError, address: str, timeout: float) -> str:
    details = error.details() or ""
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        why = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return f"error: {why}: {details}"
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"timeout: health rpc did not complete within {timeout:g}s"
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return f'timeout: failed to connect service "{address}" within {timeout:g}s: {details}'
    return f"error: health rpc probe failed: {details}"
