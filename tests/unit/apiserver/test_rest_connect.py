"""exec, attach and log, against a kubelet that runs subprocesses."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import aiohttp
import orjson
import pytest

from podyard.apiserver.connect.channels import UNNAMED, V1, V1_BASE64, V4, V4_BASE64, V5
from podyard.apiserver.connect.websocket_remote import Channel
from tests.unit.apiserver.rest_cluster import POD, cluster


async def collect(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """What came on each channel until the server closed."""
    found: dict[int, bytes] = {}
    async for message in socket:
        found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
    return found


def query(*command: str, **streams: str) -> str:
    parts = [f"command={part}" for part in command] + [f"{name}={value}" for name, value in streams.items()]
    return "&".join(parts)


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_exec_gives_output_and_exit_code(tmp_path: Path, protocol: str) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        url = f"{POD}/exec?" + query(
            "sh", "-c", "echo out; echo err 1>%262; exit 3", stdout="true", stderr="true"
        )
        async with server.client.ws_connect(url, protocols=(protocol,)) as socket:
            assert socket.protocol == protocol
            found = await collect(socket)
            assert socket.close_code == 1000
    assert found[Channel.STDOUT] == b"out\n"
    assert found[Channel.STDERR] == b"err\n"
    status = orjson.loads(found[Channel.ERROR])
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert kubelet.start.container.pod == "p"
    assert kubelet.start.container.uid == "uid-p"
    assert kubelet.start.container.container == "c"
    assert kubelet.peers == ["apiserver-kubelet-client"]


@pytest.mark.parametrize(
    ("protocol", "wire"),
    [
        (V4, "binary"),
        (V4, "text"),  # as kubernetes' Python client sends what is str to it
        (V4_BASE64, "base64"),
        (V1, "binary"),
        (V1_BASE64, "base64"),
        (UNNAMED, "binary"),
    ],
)
async def test_exec_with_every_protocol(tmp_path: Path, protocol: str, wire: str) -> None:
    def encoded(channel: int, data: str) -> bytes:
        if wire == "base64":
            return f"{channel}{base64.b64encode(data.encode()).decode()}".encode()
        return bytes((channel,)) + data.encode()

    def decoded(message: aiohttp.WSMessage) -> tuple[int, bytes]:
        if wire == "base64":
            assert message.type is aiohttp.WSMsgType.TEXT
            return int(message.data[0]), base64.b64decode(message.data[1:])
        assert message.type is aiohttp.WSMsgType.BINARY
        return message.data[0], message.data[1:]

    async with cluster(tmp_path) as (server, _):
        url = f"{POD}/exec?" + query("sh", "-c", "read x; echo got $x; exit 7", stdin="1", stdout="1")
        protocols = (protocol,) if protocol else ()
        async with server.client.ws_connect(url, protocols=protocols) as socket:
            assert socket.protocol == (protocol or None)
            data = encoded(Channel.STDIN, "grüße\n")
            await (socket.send_bytes(data) if wire == "binary" else socket.send_str(data.decode()))
            found = {Channel.STDOUT: b"", Channel.ERROR: b""}
            async for message in socket:
                channel, data = decoded(message)
                found[Channel(channel)] += data
    assert found[Channel.STDOUT] == "got grüße\n".encode()
    if protocol in (V4, V4_BASE64):
        assert orjson.loads(found[Channel.ERROR])["reason"] == "NonZeroExitCode"
    else:
        assert found[Channel.ERROR] == b"command terminated with non-zero exit code: exit status 7"


async def test_exec_refuses_what_is_not_base64(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, _):
        url = f"{POD}/exec?" + query("cat", stdin="1", stdout="1")
        async with server.client.ws_connect(url, protocols=(V4_BASE64,)) as socket:
            await socket.send_str("0?")
            said = [message.data async for message in socket]
    assert orjson.loads(base64.b64decode(said[-1][1:]))["message"] == "the message is not base64"


async def test_exec_passes_input_size_and_the_end_of_input(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        url = f"{POD}/exec?" + query("cat", stdin="1", stdout="1", tty="1")
        async with server.client.ws_connect(url, protocols=(V5,)) as socket:
            await socket.send_bytes(b'\x04{"Width":99,"Height":33}')
            await socket.send_bytes(b"\x00hello ")
            await socket.send_bytes(b"\x00world")
            await socket.send_bytes(bytes((Channel.CLOSE, Channel.STDIN)))
            found = await collect(socket)
    assert found[Channel.STDOUT] == b"hello world"
    assert orjson.loads(found[Channel.ERROR])["status"] == "Success"
    assert kubelet.sizes == [(99, 33)]


async def test_a_client_that_closes_ends_the_command(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        url = f"{POD}/exec?" + query("sh", "-c", "echo started; exec sleep 100", stdout="true")
        async with server.client.ws_connect(url, protocols=(V5,)) as socket:
            assert await socket.receive_bytes() == b"\x01"  # the stream stands
            assert await socket.receive_bytes() == b"\x01started\n"
            await socket.close()
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()


async def test_attach(tmp_path: Path) -> None:
    async with (
        cluster(tmp_path) as (server, _),
        server.client.ws_connect(f"{POD}/attach?stdout=true", protocols=(V5,)) as socket,
    ):
        found = await collect(socket)
    assert found[Channel.STDOUT] == b"attached\n"


UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("nothing/exec?command=ls&stdout=true", 404, 'pods "nothing" not found'),
        ("p/exec?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("p/exec?stdout=1", 400, "you must specify at least one command for the pod exec subresource"),
        ("p/exec?command=ls&stdout=1&container=x", 400, "container x is not valid for pod p"),
        (
            "two/exec?command=ls&stdout=1",
            400,
            "a container name must be specified for pod two, choose one of: [a b]",
        ),
        ("pending/exec?command=ls&stdout=1", 400, "pod pending does not have a host assigned"),
        (
            "ended/exec?command=ls&stdout=1",
            400,
            "cannot exec into a container in a completed pod; current phase is Succeeded",
        ),
        (
            "p/exec?command=ls&stdout=1",
            400,
            "unable to upgrade: X-Stream-Protocol-Version is required",
        ),
        ("two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"),
        ("p/log?container=x", 400, "container x is not valid for pod p"),
        (
            "p/log?tailLines=-1",
            422,
            'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "p/log?sinceTime=now",
            422,
            None,
        ),
        ("pending/portforward", 400, "pod pending does not have a host assigned"),
        ("p/portforward", 400, "unable to upgrade: X-Stream-Protocol-Version is required"),
    ],
)
async def test_refused(tmp_path: Path, path: str, code: int, message: str | None) -> None:
    async with cluster(tmp_path) as (server, _):
        headers = {} if "log" in path else UPGRADE
        method = "GET" if "log" in path else "POST"
        answered, status = await server.json(method, f"/api/v1/namespaces/ns/pods/{path}", headers=headers)
    assert answered == code
    assert message is None or status["message"] == message


async def test_a_kubelet_that_is_down(tmp_path: Path) -> None:
    async with cluster(tmp_path, down=True) as (server, _):
        code, status = await server.json("GET", f"{POD}/log")
        assert code == 502
        assert status["message"].startswith("error dialing backend: kubelet of node node1: ")
        url = f"{POD}/exec?command=ls&stdout=true"
        async with server.client.ws_connect(url, protocols=(V5,)) as socket:
            found = await collect(socket)
    assert orjson.loads(found[Channel.ERROR])["message"].startswith("error dialing backend: ")


async def test_log(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        kubelet.logs = [b"one\n", b"two\n"]
        options = "previous=true&timestamps=true&tailLines=5&limitBytes=9&sinceTime=2023-11-14T22:13:20Z"
        async with server.client.get(f"{POD}/log?container=c&{options}") as response:
            assert (response.status, response.content_type) == (200, "text/plain")
            assert await response.read() == b"one\ntwo\n"
        asked = kubelet.log_request
        assert (asked.container.container, asked.previous, asked.timestamps) == ("c", True, True)
        assert (asked.tail_lines, asked.limit_bytes, asked.since_time) == (5, 9, 1_700_000_000)
        async with server.client.get(f"{POD}/log") as response:
            assert response.status == 200
        assert not kubelet.log_request.HasField("tail_lines")
        async with server.client.get("/api/v1/namespaces/ns/pods/pending/log") as response:
            assert (response.status, await response.read()) == (200, b"")


async def test_log_follows_until_the_client_goes(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        kubelet.logs = [b"one\n"]
        async with server.client.get(f"{POD}/log?follow=true") as response:
            assert await response.content.readline() == b"one\n"
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()


@pytest.mark.parametrize("protocol", ["", "binary.k8s.io", "base64.binary.k8s.io"])
async def test_log_over_a_websocket(tmp_path: Path, protocol: str) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        kubelet.logs = [b"one\n", b"two \xff\n"]
        protocols = (protocol,) if protocol else ()
        async with server.client.ws_connect(f"{POD}/log", protocols=protocols) as socket:
            found = [message.data async for message in socket]
            assert socket.close_code == 1000
        decoded = [base64.b64decode(text) for text in found] if protocol.startswith("base64") else found
        assert decoded == kubelet.logs
        async with server.client.ws_connect(f"{POD}/log?follow=true", protocols=protocols) as socket:
            await socket.receive()
        async with asyncio.timeout(20):
            await kubelet.cancelled.wait()


async def test_what_the_kubelet_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        kubelet.refusal = 'container "c" in pod "p" is waiting to start: ContainerCreating'
        code, status = await server.json("GET", f"{POD}/log")
    assert (code, status["reason"], status["message"]) == (400, "BadRequest", kubelet.refusal)


async def test_a_server_that_stops_ends_its_streams(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (server, kubelet):
        url = f"{POD}/exec?" + query("sh", "-c", "echo started; exec sleep 100", stdout="true")
        async with server.client.ws_connect(url, protocols=(V5,)) as socket:
            assert await socket.receive_bytes() == b"\x01"
            assert await socket.receive_bytes() == b"\x01started\n"
            async with asyncio.timeout(20):  # the command would last longer
                await server.runner.shutdown()
                assert await collect(socket) == {}
                await kubelet.cancelled.wait()
