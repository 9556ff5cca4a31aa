"""exec, attach, logs and port-forward over gRPC, into real containers."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import orjson
import pytest

from podyard.cli.cluster import pki
from podyard.cli.cluster.config import ClusterConfig
from podyard.client.client import STATUS_METADATA
from podyard.kubelet.observed import Observed, observe
from podyard.kubelet.pod_worker import PodWorker
from podyard.kubelet.stream_server import serve_streams
from podyard.kubelet.streaming import StreamingService
from podyard.process.main import UserError
from podyard.process.tls import TlsFiles
from podyard.proto import streaming_pb2 as pb
from podyard.proto.streaming_pb2_grpc import StreamingStub
from tests.unit.kubelet.pods import container, pod
from tests.unit.kubelet.runtime_harness import Pods, fresh_ip

APISERVER = "apiserver-kubelet-client"
HTTP2_FRAME = struct.Struct("!BHBBI")  # length, type, flags, stream


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster's certificates."""
    cluster = ClusterConfig(
        name="t", data_dir=str(tmp_path_factory.mktemp("pki")), index=0, api_port=6443, nodes=1
    )
    pki.ensure(cluster)
    return cluster.path / "pki"


def tls(directory: Path, name: str, peers: str = "ca") -> TlsFiles:
    """`peers` names the CA that the other end's certificate is to be of."""
    return TlsFiles(directory / f"{peers}.crt", directory / f"{name}.crt", directory / f"{name}.key")


@dataclass
class Worker:
    """What the service sees of a pod's worker."""

    pod: dict[str, Any]
    observed: Observed = field(default_factory=Observed)
    waiting: str = ""

    def waiting_reason(self, name: str) -> str:
        return self.waiting


class Node:
    """A streaming server, and a client with the apiserver's identity."""

    def __init__(self, pods: Pods, certificates: Path) -> None:
        self.pods = pods
        self.certificates = certificates
        self.host = fresh_ip()
        self.worker = Worker(pod(container("main"), container("other")))
        self.port = 0

    async def start(self) -> grpc.aio.Server:
        service = StreamingService(self.pods.runtime, self.find)
        # The kubelet's certificate names its node, so the client must ask for that name.
        files = tls(self.certificates, "kubelet-node1-serving")
        self.port = 10250
        return await serve_streams(service, self.host, self.port, files)

    def find(self, namespace: str, name: str, uid: str) -> PodWorker | None:
        same = (namespace, name) == ("default", "p") and uid in ("", "right")
        return cast(PodWorker, self.worker) if same else None

    def stub(self, identity: str = APISERVER) -> tuple[grpc.aio.Channel, Any]:
        channel = grpc.aio.secure_channel(
            f"{self.host}:{self.port}",
            tls(self.certificates, identity, "kubelet-ca").channel_credentials(),
            options=[("grpc.ssl_target_name_override", "node1")],
        )
        return channel, StreamingStub(channel)

    async def look(self, container_id: str) -> None:
        """See the container and all others of its pod, as the worker would."""
        runtime = self.pods.runtime
        uid = (await runtime.container_status(container_id)).pod_uid
        self.worker.observed = observe(
            uid, await runtime.list_pod_sandboxes(), await runtime.list_containers()
        )


@pytest.fixture
async def node(pods: Pods, certificates: Path) -> AsyncIterator[Node]:
    node = Node(pods, certificates)
    server = await node.start()
    yield node
    await server.stop(None)


def ref(name: str = "main", *, pod: str = "p", uid: str = "") -> pb.ContainerRef:
    return pb.ContainerRef(namespace="default", pod=pod, container=name, uid=uid)


def start(*command: str, stdin: bool = False, tty: bool = False, name: str = "main") -> pb.StreamInput:
    streams = pb.StreamStart(
        container=ref(name), command=command, stdin=stdin, stdout=True, stderr=not tty, tty=tty
    )
    return pb.StreamInput(start=streams)


async def talk(call: Any) -> tuple[bytes, bytes, pb.StreamExit]:
    """All output, and how it ended."""
    out = err = b""
    end = pb.StreamExit(message="no exit")
    async for message in call:
        out += message.stdout
        err += message.stderr
        if message.HasField("exit"):
            end = message.exit
    return out, err, end


async def feed(*messages: pb.StreamInput) -> AsyncIterator[pb.StreamInput]:
    for message in messages:
        yield message


async def test_exec_with_input_output_and_exit_code(node: Node) -> None:
    await node.look(await node.pods.run("sleep 60"))
    channel, stub = node.stub()
    async with channel:
        call = stub.Exec(
            feed(
                start("sh", "-c", "cat; echo error >&2; exit 3", stdin=True),
                pb.StreamInput(stdin=b"one "),
                pb.StreamInput(stdin=b"two"),
                pb.StreamInput(stdin_closed=True),
            )
        )
        out, err, end = await talk(call)
    assert (out, err, end.code, end.message) == (b"one two", b"error\n", 3, "")


async def test_exec_with_a_terminal(node: Node) -> None:
    await node.look(await node.pods.run("sleep 60"))
    channel, stub = node.stub()
    async with channel:
        script = "read line; stty size; test -t 1 && echo terminal"
        call = stub.Exec(
            feed(
                start("sh", "-c", script, stdin=True, tty=True),
                pb.StreamInput(resize=pb.TerminalSize(width=100, height=40)),
                pb.StreamInput(stdin=b"go\n"),
            )
        )
        out, _, end = await talk(call)
    assert b"40 100\r\nterminal\r\n" in out
    assert end.code == 0


async def test_keepalives_of_silent_streams_are_welcome(node: Node) -> None:
    """A shell in which nobody types: gRPC's own limit is two keepalives in five minutes."""
    context = ssl.create_default_context(cafile=node.certificates / "kubelet-ca.crt")
    context.load_cert_chain(node.certificates / f"{APISERVER}.crt", node.certificates / f"{APISERVER}.key")
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(node.host, node.port, ssl=context, server_hostname="node1")
    ping = HTTP2_FRAME.pack(0, 8, 6, 0, 0) + b"podyard!"
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HTTP2_FRAME.pack(0, 0, 4, 0, 0) + ping)
    answered = 0
    while answered < 20:
        high, low, kind, flags, _ = HTTP2_FRAME.unpack(await reader.readexactly(HTTP2_FRAME.size))
        body = await reader.readexactly(high << 16 | low)
        assert kind != 7, f"GOAWAY {body!r}"
        if (kind, flags) == (6, 1):
            answered += 1
            writer.write(ping)
    writer.close()


@pytest.mark.parametrize(
    ("command", "name", "message"),
    [
        (["/no/such/command"], "main", "no such file or directory"),
        (["true"], "other", 'container not found ("other")'),
    ],
)
async def test_exec_that_cannot_be(node: Node, command: list[str], name: str, message: str) -> None:
    await node.look(await node.pods.run("sleep 60"))
    channel, stub = node.stub()
    async with channel:
        _, _, end = await talk(stub.Exec(feed(start(*command, name=name))))
    assert message in end.message


async def test_attach_ends_with_the_container(node: Node) -> None:
    container_id = await node.pods.run("read line; echo got $line; exit 5", stdin=True)
    await node.look(container_id)
    channel, stub = node.stub()
    async with channel:
        call = stub.Attach(feed(start(stdin=True), pb.StreamInput(stdin=b"hello\n")))
        out, _, end = await talk(call)
    assert (out, end.code, end.message) == (b"got hello\n", 0, ""), "as kubectl run -it expects"


async def logs(stub: Any, **fields: Any) -> str:
    request = pb.LogsRequest(container=ref(), **fields)
    return b"".join([chunk.data async for chunk in stub.Logs(request)]).decode()


async def test_logs(node: Node) -> None:
    container_id = await node.pods.run("echo one; echo two")
    await node.pods.exited(container_id)
    await node.look(container_id)
    channel, stub = node.stub()
    async with channel:
        assert await logs(stub) == "one\ntwo\n"
        assert await logs(stub, tail_lines=1) == "two\n"
        assert await logs(stub, tail_lines=0) == ""
        assert await logs(stub, limit_bytes=2) == "on"
        stamped = (await logs(stub, timestamps=True)).splitlines()
    assert [line.split(" ")[1] for line in stamped] == ["one", "two"]
    assert stamped[0].startswith("20")


async def test_followed_logs_end_with_the_container(node: Node) -> None:
    container_id = await node.pods.run("echo one; read line; echo $line", stdin=True)
    await node.pods.logged(container_id, "one")
    await node.look(container_id)
    channel, stub = node.stub()
    async with channel:
        followed = asyncio.create_task(logs(stub, follow=True))
        await talk(stub.Attach(feed(start(stdin=True), pb.StreamInput(stdin=b"two\n"))))
        await node.pods.exited(container_id)
        await node.look(container_id)
        assert await asyncio.wait_for(followed, 20) == "one\ntwo\n"


async def test_previous_logs(node: Node) -> None:
    sandbox = await node.pods.sandbox()
    for text in ("first", "second"):
        container_id = await node.pods.run(f"echo {text}", sandbox=sandbox)
        await node.pods.exited(container_id)
    await node.look(container_id)
    channel, stub = node.stub()
    async with channel:
        assert await logs(stub) == "second\n"
        assert await logs(stub, previous=True) == "first\n"
        node.worker.waiting = "CrashLoopBackOff"
        assert await logs(stub, previous=True) == "second\n"


@pytest.mark.parametrize(
    ("waiting", "where", "previous", "code", "message"),
    [
        ("", ref(), False, 400, 'container "main" in pod "p" is waiting to start: ContainerCreating'),
        (
            "ImagePullBackOff",
            ref(),
            False,
            400,
            'container "main" in pod "p" is waiting to start: trying and failing to pull image',
        ),
        ("", ref(), True, 400, 'previous terminated container "main" in pod "p" not found'),
        ("", ref("none"), False, 400, "container none is not valid for pod p"),
        ("", ref(pod="none"), False, 404, 'pods "none" not found'),
        ("", ref(uid="wrong"), False, 404, 'pods "p" not found'),
    ],
)
async def test_logs_that_are_not_there(
    node: Node, waiting: str, where: pb.ContainerRef, previous: bool, code: int, message: str
) -> None:
    node.worker.waiting = waiting
    channel, stub = node.stub()
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.Logs(pb.LogsRequest(container=where, previous=previous)):
                pass
    metadata = dict(caught.value.trailing_metadata() or ())
    status = orjson.loads(metadata[STATUS_METADATA])
    assert (status["code"], status["message"]) == (code, message)


async def test_logs_of_a_container_whose_init_containers_have_not_ended(node: Node) -> None:
    node.worker.pod = pod(container("main"), init=(container("setup"),))
    channel, stub = node.stub()
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.Logs(pb.LogsRequest(container=ref())):
                pass
    status = orjson.loads(dict(caught.value.trailing_metadata() or ())[STATUS_METADATA])
    assert status["message"] == 'container "main" in pod "p" is waiting to start: PodInitializing'


async def test_port_forward(node: Node) -> None:
    ip = fresh_ip()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])
        await writer.drain()
        writer.close()

    async def inputs(port: int) -> AsyncIterator[pb.PortForwardInput]:
        yield pb.PortForwardInput(start=pb.PortForwardStart(pod=ref(""), port=port))
        yield pb.PortForwardInput(data=b"abc")
        yield pb.PortForwardInput(closed=True)

    await node.look(await node.pods.run("sleep 60", sandbox=await node.pods.sandbox(ip)))
    server = await asyncio.start_server(answer, ip, 8080)
    channel, stub = node.stub()
    async with channel, server:
        outputs = [output async for output in stub.PortForward(inputs(8080))]
        assert b"".join(output.data for output in outputs) == b"cba"
        assert outputs[-1] == pb.PortForwardOutput(end=pb.PortForwardEnd())
        why = f"dial tcp {ip}:8081: connect: connection refused"
        assert [output async for output in stub.PortForward(inputs(8081))] == [
            pb.PortForwardOutput(end=pb.PortForwardEnd(message=why))
        ]


async def flood(call: Any, first: Any, message: Any) -> None:
    """Write without an end, as somebody does who does not know yet that all is over."""
    await call.write(first)
    while True:
        await call.write(message)


@pytest.mark.parametrize(("command", "code"), [(["true"], 0), (["head", "-c1"], 0), (["/no/such"], 1)])
async def test_the_end_is_seen_by_a_caller_who_is_still_writing(
    node: Node, command: list[str], code: int
) -> None:
    await node.look(await node.pods.run("sleep 60"))
    channel, stub = node.stub()
    async with channel:
        call = stub.Exec()
        message = pb.StreamInput(stdin=b"x" * 100_000)
        writing = asyncio.create_task(flood(call, start(*command, stdin=True), message))
        while not (output := await call.read()).HasField("exit"):
            pass
        assert output.exit.code == code
        assert not writing.done()
        call.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.mark.parametrize("port", [8080, 8081])  # one that closes at once, and one where nobody listens
async def test_the_end_of_a_connection_that_is_still_written_to(node: Node, port: int) -> None:
    ip = fresh_ip()
    await node.look(await node.pods.run("sleep 60", sandbox=await node.pods.sandbox(ip)))
    server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), ip, 8080)
    channel, stub = node.stub()
    async with channel, server:
        call = stub.PortForward()
        first = pb.PortForwardInput(start=pb.PortForwardStart(pod=ref(""), port=port))
        writing = asyncio.create_task(flood(call, first, pb.PortForwardInput(data=b"x" * 100_000)))
        output = await call.read()
        assert output.HasField("end")
        assert bool(output.end.message) == (port == 8081)
        assert not writing.done()
        call.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [(APISERVER, True), ("admin", True), ("kubelet-node1", False), ("controller-manager", False)],
)
async def test_who_may_call(node: Node, identity: str, allowed: bool) -> None:
    container_id = await node.pods.run("echo secret")
    await node.pods.exited(container_id)
    await node.look(container_id)
    channel, stub = node.stub(identity)
    async with channel:
        if allowed:
            assert await logs(stub) == "secret\n"
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await logs(stub)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_taken_port_is_named(node: Node) -> None:
    with pytest.raises(UserError, match=f"port {node.port} of {node.host}"):
        await node.start()
