"""The gRPC service behind `kubectl exec`, `attach`, `logs` and `port-forward` (proto/streaming.proto)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from podyard.api.errors import StatusError, bad_request, not_found
from podyard.api.resources import PODS
from podyard.kubelet.logs import LogOptions, read_logs
from podyard.kubelet.pod_worker import PodWorker
from podyard.kubelet.probes.tcp import dial_error
from podyard.kubelet.runtime import (
    ContainerRuntime,
    ContainerState,
    ContainerStatus,
    NamespaceMode,
    PodSandbox,
    RuntimeFailure,
    Streams,
)
from podyard.kubelet.spec import find_container
from podyard.kubelet.status import first_waiting_reason
from podyard.kubelet.streaming_access import authorize, refuse
from podyard.process.namespaces import in_network
from podyard.proto import streaming_pb2 as pb
from podyard.proto.streaming_pb2_grpc import StreamingServicer

Context = Any  # grpc.aio.ServicerContext is generic over messages, which the generated code does not say
Find = Callable[[str, str, str], PodWorker | None]

CHUNK_BYTES = 64 * 1024
LOCALHOST = "127.0.0.1"
IMAGE_WAITS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class StreamingService(StreamingServicer):
    """Serves streams to the containers of this node. `find` gives a pod's worker."""

    def __init__(self, runtime: ContainerRuntime, find: Find) -> None:
        self._runtime = runtime
        self._find = find

    async def Exec(
        self, request_iterator: AsyncIterator[pb.StreamInput], context: Context
    ) -> AsyncIterator[pb.StreamOutput]:
        """Run a command in a container."""
        await authorize(context)
        start = await _first(request_iterator, context)
        try:
            status = self._running(start.container)
            streams = await self._runtime.exec(
                status.id, list(start.command), stdin=start.stdin, tty=start.tty
            )
        except (StatusError, RuntimeFailure) as error:
            yield _failed(error)
            await _until_ended(request_iterator)
            return
        async for output in _pump(streams, start, request_iterator):
            yield output

    async def Attach(
        self, request_iterator: AsyncIterator[pb.StreamInput], context: Context
    ) -> AsyncIterator[pb.StreamOutput]:
        """Connect to a container's own streams; that these end is a success, however the container ended."""
        await authorize(context)
        start = await _first(request_iterator, context)
        try:
            streams = await self._runtime.attach(self._running(start.container).id, stdin=start.stdin)
        except (StatusError, RuntimeFailure) as error:
            yield _failed(error)
            await _until_ended(request_iterator)
            return
        async for output in _pump(streams, start, request_iterator):
            yield pb.StreamOutput(exit=pb.StreamExit()) if output.HasField("exit") else output

    async def Logs(self, request: pb.LogsRequest, context: Context) -> AsyncIterator[pb.LogsChunk]:
        """A container's log, and what is added to it while somebody follows."""
        await authorize(context)
        try:
            worker = self._worker(request.container)
            status = logged_instance(worker, request.container, previous=request.previous)
        except StatusError as error:
            await refuse(context, error)
            return
        options = LogOptions(
            follow=request.follow and not request.previous,
            timestamps=request.timestamps,
            tail_lines=request.tail_lines if request.HasField("tail_lines") else None,
            limit_bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
            since=request.since_time if request.HasField("since_time") else None,
        )

        def running() -> bool:
            return any(seen.id == status.id for seen in worker.observed.running())

        async for data in read_logs(status.log_path, options, running=running):
            yield pb.LogsChunk(data=data)

    async def PortForward(
        self, request_iterator: AsyncIterator[pb.PortForwardInput], context: Context
    ) -> AsyncIterator[pb.PortForwardOutput]:
        """One TCP connection to a port of the pod."""
        await authorize(context)
        start = await _first(request_iterator, context)
        host = ""
        try:
            sandbox = self._sandbox(start.pod)
            host = dialled_address(sandbox, by_address=start.by_address)
            reader, writer = await dial(sandbox, host, start.port)
        except (StatusError, OSError) as error:
            why = dial_error(host, start.port, error) if isinstance(error, OSError) else str(error)
            yield pb.PortForwardOutput(end=pb.PortForwardEnd(message=why))
            await _until_ended(request_iterator)
            return
        sender = asyncio.create_task(_send(request_iterator, writer))
        try:
            while data := await _read(reader):
                yield pb.PortForwardOutput(data=data)
            yield pb.PortForwardOutput(end=pb.PortForwardEnd())
            await sender
        finally:
            sender.cancel()
            writer.close()

    def _worker(self, ref: pb.ContainerRef) -> PodWorker:
        worker = self._find(ref.namespace, ref.pod, ref.uid)
        if worker is None:
            raise not_found(PODS, ref.pod)
        return worker

    def _sandbox(self, ref: pb.ContainerRef) -> PodSandbox:
        sandbox = self._worker(ref).observed.ready_sandbox
        if sandbox is None:
            raise bad_request(f"unable to forward port because pod is not running: {ref.namespace}/{ref.pod}")
        return sandbox

    def _running(self, ref: pb.ContainerRef) -> ContainerStatus:
        status = self._worker(ref).observed.latest(ref.container)
        if status is None or status.state == ContainerState.EXITED:
            raise not_found_container(ref.container)
        return status


def dialled_address(sandbox: PodSandbox, *, by_address: bool) -> str:
    """Where a port of a pod is reached: on localhost, as by Kubernetes, if the pod has one of its own."""
    own = sandbox.config.network == NamespaceMode.POD
    return LOCALHOST if own and not by_address else sandbox.config.ip


async def dial(
    sandbox: PodSandbox, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of a pod; to localhost in the pod's own network. Raises OSError."""
    if host != LOCALHOST:
        return await asyncio.open_connection(host, port)
    namespace = f"/proc/{sandbox.pid}/ns/net"
    sock = await asyncio.to_thread(in_network, namespace, lambda: socket.socket(socket.AF_INET))
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


def not_found_container(name: str) -> StatusError:
    """What the kubelet says of a container that does not run."""
    return bad_request(f'container not found ("{name}")')


def logged_instance(worker: PodWorker, ref: pb.ContainerRef, *, previous: bool) -> ContainerStatus:
    """The instance of a container whose log is wanted (validateContainerLogStatus). Raises StatusError."""
    if find_container(worker.pod, ref.container) is None:
        raise bad_request(f"container {ref.container} is not valid for pod {ref.pod}")
    where = f'container "{ref.container}" in pod "{ref.pod}"'
    waiting = worker.waiting_reason(ref.container)
    latest = worker.observed.latest(ref.container)
    if previous:
        # While it waits to be started again, the one that has ended last is the previous one.
        found = latest if waiting == "CrashLoopBackOff" else worker.observed.previous(ref.container)
        if found is None:
            raise bad_request(f"previous terminated {where} not found")
        return found
    if latest is None:
        reason = IMAGE_WAITS.get(waiting, waiting or first_waiting_reason(worker.pod))
        raise bad_request(f"{where} is waiting to start: {reason}")
    return latest


async def _first(inputs: AsyncIterator[Any], context: Context) -> Any:
    """The `start` that opens a stream."""
    first = await anext(aiter(inputs), None)
    if first is None or first.WhichOneof("kind") != "start":
        await refuse(context, bad_request("the first input of a stream must be `start`"))
        raise asyncio.CancelledError  # not reached: refusing ends the call
    return first.start


def _failed(error: Exception) -> pb.StreamOutput:
    return pb.StreamOutput(exit=pb.StreamExit(code=1, message=str(error)))


async def _pump(
    streams: Streams, start: pb.StreamStart, inputs: AsyncIterator[pb.StreamInput]
) -> AsyncIterator[pb.StreamOutput]:
    """Pass input and output on until the command has ended, then its exit code; then wait for the caller."""
    ended = asyncio.Event()
    feeder = asyncio.create_task(_feed(streams, inputs, ended))
    try:
        try:
            async for stream, data in streams.output():
                if stream == "stdout" and start.stdout:
                    yield pb.StreamOutput(stdout=data)
                elif stream == "stderr" and start.stderr:
                    yield pb.StreamOutput(stderr=data)
            end = pb.StreamOutput(exit=pb.StreamExit(code=await streams.wait()))
        except RuntimeFailure as error:
            end = _failed(error)
        ended.set()
        yield end
        await feeder
    finally:
        feeder.cancel()
        await streams.aclose()


async def _feed(streams: Streams, inputs: AsyncIterator[pb.StreamInput], ended: asyncio.Event) -> None:
    async for message in inputs:
        if ended.is_set():
            continue
        match message.WhichOneof("kind"):
            case "stdin":
                await streams.write(message.stdin)
            case "stdin_closed":
                streams.close_stdin()
            case "resize":
                streams.resize(message.resize.width, message.resize.height)


async def _until_ended(inputs: AsyncIterator[Any]) -> None:
    """Let the caller end the call (see the service's definition)."""
    async for _ in inputs:
        continue


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK_BYTES)
    except ConnectionError:
        return b""


async def _send(inputs: AsyncIterator[pb.PortForwardInput], writer: asyncio.StreamWriter) -> None:
    """What comes, to the pod; once that takes no more it is dropped."""
    async for message in inputs:
        try:
            if message.WhichOneof("kind") == "data":
                writer.write(message.data)
                await writer.drain()
            elif writer.can_write_eof():
                writer.write_eof()
        except OSError:
            await _until_ended(inputs)
