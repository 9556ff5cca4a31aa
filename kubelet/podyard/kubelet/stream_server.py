"""Where the kubelet serves streams to the apiserver."""

from __future__ import annotations

import asyncio
import logging

import grpc.aio

from podyard.kubelet.certificates import RETRY_SECONDS, Certificate
from podyard.kubelet.streaming import StreamingService
from podyard.process.clock import Clock
from podyard.process.main import UserError
from podyard.process.tls import TlsFiles
from podyard.proto.streaming_pb2_grpc import add_StreamingServicer_to_server

SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else two kubelets would share the port, and streams, without noticing
    ("grpc.max_receive_message_length", -1),
    ("grpc.http2.max_ping_strikes", 0),  # the apiserver's keepalives are welcome while a stream is silent
]

logger = logging.getLogger("kubelet.streams")


async def serve_streams(service: StreamingService, host: str, port: int, tls: TlsFiles) -> grpc.aio.Server:
    """Serve streams on host:port. Raises UserError when that cannot be had."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_StreamingServicer_to_server(service, server)
    try:
        server.add_secure_port(f"{host}:{port}", tls.server_credentials())
    except (RuntimeError, OSError) as error:
        raise UserError(f"cannot serve streams on port {port} of {host}: {error}") from None
    await server.start()
    return server


class StreamServer:
    """Serves streams once there is a certificate: the node does its work without.

    `tls` is what it serves with; `certificate` keeps that there, None where somebody else does.
    """

    def __init__(
        self,
        service: StreamingService,
        address: tuple[str, int],
        tls: TlsFiles,
        certificate: Certificate | None,
        clock: Clock,
    ) -> None:
        self._service = service
        self._address = address
        self._tls = tls
        self._certificate = certificate
        self._clock = clock
        self._server: grpc.aio.Server | None = None
        self._serving = asyncio.Event()

    async def start(self) -> None:
        """Serve, if there is a certificate already. Raises UserError when the port cannot be had."""
        if self._certificate is None or self._certificate.is_good():
            await self._serve()

    async def run(self) -> None:
        """Serve when there is a certificate, where `start` could not."""
        if self._server is None and self._certificate is not None:
            await self._certificate.available()
            while self._server is None:
                try:
                    await self._serve()
                except UserError as error:
                    logger.error("%s", error)
                    await self._clock.sleep(RETRY_SECONDS)

    async def serving(self) -> None:
        """Wait until it serves."""
        await self._serving.wait()

    async def stop(self) -> None:
        """End all streams."""
        if self._server is not None:
            await self._server.stop(grace=None)

    async def _serve(self) -> None:
        self._server = await serve_streams(self._service, *self._address, self._tls)
        self._serving.set()
