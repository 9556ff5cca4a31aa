"""A kubelet's streaming service that runs commands as subprocesses, for the tests of exec and log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import orjson

from podyard.api.errors import bad_request
from podyard.process.tls import TlsFiles
from podyard.proto import streaming_pb2 as pb
from podyard.proto.streaming_pb2_grpc import StreamingServicer, add_StreamingServicer_to_server

Context = Any


class FakeKubelet(StreamingServicer):
    """Answers for every container. `logs` is what a log request gives; `sizes` the terminal sizes seen."""

    def __init__(self) -> None:
        self.logs: list[bytes] = []
        self.log_request = pb.LogsRequest()
        self.start = pb.StreamStart()
        self.sizes: list[tuple[int, int]] = []
        self.peers: list[str] = []
        self.ports: list[int] = []
        self.cancelled = asyncio.Event()
        self.refusal = ""
        self.backend: tuple[str, int] | None = None

    async def Exec(
        self, request_iterator: AsyncIterator[pb.StreamInput], context: Context
    ) -> AsyncIterator[pb.StreamOutput]:
        """Run the command, with pipes."""
        self.start = (await anext(request_iterator)).start
        self.peers.append(context.auth_context()["x509_common_name"][0].decode())
        process = await asyncio.create_subprocess_exec(
            *self.start.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        outputs: asyncio.Queue[pb.StreamOutput | None] = asyncio.Queue()
        tasks = [
            asyncio.create_task(self._feed(request_iterator, process)),
            asyncio.create_task(self._drain(process.stdout, "stdout", outputs)),
            asyncio.create_task(self._drain(process.stderr, "stderr", outputs)),
        ]
        try:
            for _ in range(2):
                while (output := await outputs.get()) is not None:
                    yield output
            yield pb.StreamOutput(exit=pb.StreamExit(code=await process.wait()))
            await tasks[0]  # until the caller ends the call
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            process._transport.close()  # type: ignore[attr-defined]  # kills it, and closes its pipes, at once
            for task in tasks:
                task.cancel()

    async def _feed(self, inputs: AsyncIterator[pb.StreamInput], process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        if not self.start.stdin:
            process.stdin.close()
        async for item in inputs:
            kind = item.WhichOneof("kind")
            if kind == "stdin":
                process.stdin.write(item.stdin)
                with suppress(ConnectionError):
                    await process.stdin.drain()
            elif kind == "stdin_closed":
                process.stdin.close()
            elif kind == "resize":
                self.sizes.append((item.resize.width, item.resize.height))

    async def _drain(
        self,
        reader: asyncio.StreamReader | None,
        kind: str,
        outputs: asyncio.Queue[pb.StreamOutput | None],
    ) -> None:
        assert reader is not None
        while data := await reader.read(65536):
            wanted = getattr(self.start, kind)
            if wanted:
                outputs.put_nowait(
                    pb.StreamOutput(stdout=data) if kind == "stdout" else pb.StreamOutput(stderr=data)
                )
        outputs.put_nowait(None)

    async def Attach(
        self, request_iterator: AsyncIterator[pb.StreamInput], context: Context
    ) -> AsyncIterator[pb.StreamOutput]:
        """Say hello, and end."""
        self.start = (await anext(request_iterator)).start
        yield pb.StreamOutput(stdout=b"attached\n")
        yield pb.StreamOutput(exit=pb.StreamExit(code=0))

    async def Logs(self, request: pb.LogsRequest, context: Context) -> AsyncIterator[pb.LogsChunk]:
        """Give `logs`; with `follow` wait after them until the client goes."""
        self.log_request = request
        if self.refusal:
            status = orjson.dumps(bad_request(self.refusal).status)
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, self.refusal, (("podyard-status-bin", status),)
            )
        for chunk in self.logs:
            yield pb.LogsChunk(data=chunk)
        if request.follow:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()

    async def PortForward(
        self, request_iterator: AsyncIterator[pb.PortForwardInput], context: Context
    ) -> AsyncIterator[pb.PortForwardOutput]:
        """Give back what comes, up to its end; nobody listens on port 1, and port 2 never closes.

        With `backend` it is a connection to that address instead.
        """
        start = (await anext(request_iterator)).start
        self.ports.append(start.port)
        if self.backend:
            async for output in self._dial(request_iterator):
                yield output
            return
        if start.port == 1:
            why = "dial tcp 127.0.0.1:1: connect: connection refused"
            yield pb.PortForwardOutput(end=pb.PortForwardEnd(message=why))
        try:
            async for item in request_iterator:
                if item.closed and start.port != 2:
                    yield pb.PortForwardOutput(end=pb.PortForwardEnd())
                elif start.port != 1:
                    yield pb.PortForwardOutput(data=item.data)
        finally:
            self.cancelled.set()

    async def _dial(self, inputs: AsyncIterator[pb.PortForwardInput]) -> AsyncIterator[pb.PortForwardOutput]:
        assert self.backend is not None
        reader, writer = await asyncio.open_connection(*self.backend)

        async def send() -> None:
            async for item in inputs:
                writer.write(item.data)

        sending = asyncio.create_task(send())
        try:
            while data := await reader.read(65536):
                yield pb.PortForwardOutput(data=data)
            yield pb.PortForwardOutput(end=pb.PortForwardEnd())
            await sending
        finally:
            sending.cancel()
            writer.close()


async def serve_kubelet(kubelet: FakeKubelet, tls: TlsFiles, address: str) -> tuple[grpc.aio.Server, int]:
    """Serve on a free port of `address`."""
    server = grpc.aio.server()
    add_StreamingServicer_to_server(kubelet, server)
    port = server.add_secure_port(f"{address}:0", tls.server_credentials())
    await server.start()
    return server, port
