"""What a host that joins believes, asks for and refuses; with a real apiserver where it talks to one."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from podyard.api.resources import CERTIFICATESIGNINGREQUESTS, CONFIGMAPS, NODES, SECRETS
from podyard.apiserver.authn import server_tls
from podyard.apiserver.serving import serve
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.joining import node_config, tokens
from podyard.cli.joining.discovery import check_hash, clock_problem, discover, hash_of
from podyard.cli.joining.join import Joined, Wish, become
from podyard.cli.joining.node_config import NodeConfig
from podyard.cli.joining.rest import Answer, Rest
from podyard.cli.joining.settings import (
    Settings,
    Unreadable,
    info_map,
    read_ca,
    read_settings,
    settings_map,
    settings_of,
)
from podyard.client.client import Client
from podyard.controllers.certificates.requests import read
from podyard.controllers.certificates.signer import sign
from podyard.process.certificates import Authority, load_authority
from podyard.process.main import UserError
from tests.support import certificates as throwaway
from tests.support.apiserver import RunningApiserver, running_apiserver

TOKEN = "abcdef.0123456789abcdef"
SETTINGS = Settings(
    name="c",
    component_api="10.0.0.1:6444",
    cluster_dns="10.96.0.10",
    cluster_domain="cluster.local",
    service_cidr="10.96.0.0/16",
    load_balancer_cidr="10.99.0.0/16",
    pod_cidr="10.244.0.0/16",
    network="x",
)


def test_the_settings_of_a_cluster_are_read_as_written() -> None:
    cluster = ClusterConfig("c", "/nowhere", 0, 6443, 0, "loopback", "10.0.0.1")
    found = read_settings(settings_map(settings_of(cluster)))
    assert found == settings_of(cluster)
    assert (found.component_api, found.cluster_dns, found.network) == (
        "10.0.0.1:6444",
        "127.96.0.10",
        "loopback",
    )
    with pytest.raises(Unreadable, match="does not say clusterDNS, componentAPI"):
        read_settings({"data": {**settings_map(SETTINGS)["data"], "clusterDNS": "", "componentAPI": ""}})


def test_who_the_cluster_is(tmp_path: Path) -> None:
    pem = throwaway.Authority(tmp_path).file.read_bytes()
    cluster = ClusterConfig("c", "/nowhere", 0, 6443, 0, "loopback", "10.0.0.1")
    assert read_ca(info_map(cluster, pem)) == pem
    bad: list[dict[str, Any]] = [
        {},
        {"data": {}},
        {"data": {"kubeconfig": "a: b"}},
        {"data": {"kubeconfig": ":["}},
    ]
    for told in bad:
        with pytest.raises(Unreadable):
            read_ca(told)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (0.0, ""),
        (60.0, ""),
        (-300.0, ""),
        (301.0, "5 min 1 s behind the server's"),
        (-3660.0, "1 h 1 min ahead of the server's"),
        (200_000.0, "2 d 7 h behind"),
    ],
)
def test_the_clock(ahead: float, said: str) -> None:
    assert said in clock_problem(ahead)
    assert bool(clock_problem(ahead)) is bool(said)


def test_hashes() -> None:
    assert check_hash("sha256:" + "Ab" * 32) == "sha256:" + "ab" * 32
    for text in ("", "sha256:", "ab" * 32, "sha256:" + "g" * 64, "sha1:" + "a" * 40):
        with pytest.raises(UserError, match="must be sha256: and 64 hexadecimal digits"):
            check_hash(text)


# What a node keeps.


def node(path: Path) -> NodeConfig:
    return NodeConfig("podyard", str(path), "n1", "10.0.0.2", "10.0.0.1:6443", SETTINGS)


def test_a_node_is_read_as_written(tmp_path: Path) -> None:
    assert node_config.load(tmp_path) is None
    node(tmp_path).save()
    assert node_config.load(tmp_path) == node(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 2}', "made by another podyard"),
    ],
)
def test_one_that_cannot_be_read(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "node.json").write_text(text)
    with pytest.raises(UserError, match=why):
        node_config.load(tmp_path)


# Joining.


@dataclass
class Server:
    """An apiserver with what `podyard server` publishes, and the CA that signs for it."""

    api: RunningApiserver
    admin: Client
    authority: Authority

    @property
    def address(self) -> str:
        return self.api.url.removeprefix("https://")

    @property
    def ca_hash(self) -> str:
        return hash_of(self.api.authority.file.read_bytes())

    def wish(self, directory: Path, **changes: Any) -> Wish:
        wish = Wish("n", directory / "node", self.address, TOKEN, self.ca_hash, "n1", "127.0.0.1")
        return replace(wish, **changes)

    async def sign(self) -> None:
        """Sign whatever is asked for, as the controllers would."""
        async for event in self.admin.watch(CERTIFICATESIGNINGREQUESTS):
            if event.type != "ADDED":
                continue
            pem = sign(read(event.object), self.authority, 3600, time.time())
            status = {"certificate": base64.b64encode(pem).decode()}
            signed = {**event.object, "status": status}
            await self.admin.update(CERTIFICATESIGNINGREQUESTS, signed, subresource="status")


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    async with running_apiserver() as api:
        admin = Client(api.target, api.tls)
        cluster = ClusterConfig("c", "/nowhere", 0, 6443, 0, "loopback", "127.0.0.1")
        await admin.create(CONFIGMAPS, info_map(cluster, api.authority.file.read_bytes()))
        await admin.create(CONFIGMAPS, settings_map(settings_of(cluster)))
        secret = tokens.make_secret(TOKEN, seconds=3600, description="", now=time.time())
        await admin.create(SECRETS, secret)
        server = Server(api, admin, load_authority(api.authority.file, api.authority.key_file))
        signing = asyncio.create_task(server.sign())
        yield server
        signing.cancel()
        await admin.close()


async def test_a_host_becomes_a_node(server: Server, tmp_path: Path) -> None:
    joined = (await become(server.wish(tmp_path))).node
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700
    assert (joined.node_name, joined.settings.name) == ("n1", "c")
    assert joined.client_file.stat().st_mode & 0o777 == 0o600
    identity = replace(server.api.tls, cert=joined.client_file, key=joined.client_file)
    client = Client(server.api.target, identity)
    made = await client.create(NODES, {"metadata": {"name": "n1"}})
    await client.close()
    assert made["metadata"]["name"] == "n1"
    # It goes on without a token, and takes what the server says now.
    cluster = ClusterConfig("c", "/nowhere", 0, 6443, 0, "other", "127.0.0.1")
    await server.admin.update(CONFIGMAPS, settings_map(settings_of(cluster)))
    again = (await become(Wish("n", tmp_path / "node", "", "", "", "", ""))).node
    assert again.settings.network == "other"
    assert again == node_config.load(tmp_path / "node")


async def test_a_node_goes_on_without_the_server(tmp_path: Path, server: Server) -> None:
    joined = (await become(server.wish(tmp_path))).node
    gone = replace(joined, api="127.0.0.1:1")
    gone.save()
    assert await become(Wish("n", tmp_path / "node", "", "", "", "", "")) == Joined(gone, reached=False)


@pytest.mark.parametrize("how", ["not yet", "no more"])
async def test_a_node_goes_on_beside_a_server_that_begins_or_ends(
    tmp_path: Path, server: Server, how: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if how == "no more":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"message": "not yet"}, status=503)

    joined = (await become(server.wish(tmp_path))).node
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    tls = server.api.authority.issue("server", address="127.0.0.1")
    runner = await serve(app, "127.0.0.1", 0, server_tls(tls.cert, tls.key, tls.ca))
    try:
        elsewhere = replace(joined, api=f"127.0.0.1:{runner.addresses[0][1]}")
        elsewhere.save()
        assert await become(Wish("n", tmp_path / "node", "", "", "", "", "")) == Joined(
            elsewhere, reached=False
        )
    finally:
        await runner.cleanup()


async def test_a_node_whose_certificate_has_ended_needs_a_token(tmp_path: Path, server: Server) -> None:
    joined = (await become(server.wish(tmp_path))).node
    joined.client_file.write_text("")
    with pytest.raises(UserError, match="node n1 has no certificate that is still valid; give a --token"):
        await become(server.wish(tmp_path, token="", ca_hash=""))
    await become(server.wish(tmp_path))
    assert joined.client_file.read_text().startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"server": ""}, "give the server's ADDRESS:PORT"),
        ({"token": ""}, "--token is missing"),
        ({"ca_hash": ""}, "--ca-cert-hash is missing"),
        ({"token": "x"}, "the token does not have the form of one"),
        ({"token": "abcdef.0123456789abcdeg"}, "the server does not take this token"),
        ({"ca_hash": "sha256:" + "0" * 64}, "has the hash sha256:.* not sha256:0+: it is another cluster"),
        ({"server": "127.0.0.1:1"}, "cannot reach 127.0.0.1:1: Connection refused"),
        ({"node_name": "No Name"}, "--node-name 'No Name': a name has small letters"),
    ],
)
async def test_refusals(server: Server, tmp_path: Path, changes: dict[str, str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        await become(server.wish(tmp_path, **changes))
    assert not (tmp_path / "node").exists()
    assert not (await server.admin.list(CERTIFICATESIGNINGREQUESTS)).items


async def test_a_taken_name(server: Server, tmp_path: Path) -> None:
    made = await server.admin.create(NODES, {"metadata": {"name": "n1"}})
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await server.admin.patch(NODES, "n1", "", ready, subresource="status")
    with pytest.raises(UserError, match='a Node with name "n1" and status "Ready" already exists'):
        await become(server.wish(tmp_path))
    ready["status"]["conditions"][0]["status"] = "Unknown"
    await server.admin.patch(NODES, "n1", "", ready, subresource="status")
    assert (await become(server.wish(tmp_path))).node.node_name == made["metadata"]["name"]


async def test_a_request_that_is_denied(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    condition = {"type": "Denied", "status": "True", "reason": "NotYou", "message": "go away"}

    async def post(rest: object, path: str, body: dict[str, Any]) -> Any:
        status = {"conditions": [condition]}
        return Answer(201, {**body, "metadata": {"name": "csr-x"}, "status": status}, 0.0)

    monkeypatch.setattr(Rest, "post", post)
    with pytest.raises(UserError, match="no certificate: request csr-x was denied: NotYou: go away"):
        await become(server.wish(tmp_path))


async def test_a_directory_that_belongs_elsewhere(server: Server, tmp_path: Path) -> None:
    joined = (await become(server.wish(tmp_path))).node
    for changes, why in (
        (
            {"ca_hash": "sha256:" + "0" * 64},
            f"belongs to another cluster, whose CA has the hash {server.ca_hash}",
        ),
        ({"node_name": "n2"}, "belongs to node n1, not n2"),
    ):
        with pytest.raises(UserError, match=why):
            await become(server.wish(tmp_path, **changes))
    (tmp_path / "other").mkdir()
    joined.ca_file.write_bytes(throwaway.Authority(tmp_path / "other").file.read_bytes())
    with pytest.raises(UserError, match=r"is another cluster now than the one that .* belongs to"):
        await become(server.wish(tmp_path, ca_hash=""))
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.txt").touch()
    with pytest.raises(UserError, match="is not empty"):
        await become(server.wish(tmp_path, data_dir=strange))
    cluster = replace(ClusterConfig("up", str(strange), 0, 6443, 1))
    cluster.save()
    with pytest.raises(UserError, match="belongs to a cluster of this host"):
        await become(server.wish(tmp_path, data_dir=strange))


# Servers that are none, or whose clock is off.


@dataclass
class Strange:
    """Answers everything alike."""

    code: int
    body: Any
    date: float = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        headers = {"Date": email.utils.formatdate(time.time() + self.date, usegmt=True)}
        return web.Response(
            status=self.code, text=json.dumps(self.body), headers=headers, content_type="application/json"
        )


async def refused(strange: Strange, authority: throwaway.Authority) -> str:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", strange.answer)
    tls = authority.issue("server", address="127.0.0.1")
    runner = await serve(app, "127.0.0.1", 0, server_tls(tls.cert, tls.key, tls.ca))
    try:
        with pytest.raises(UserError) as caught:
            await discover(f"127.0.0.1:{runner.addresses[0][1]}", hash_of(authority.file.read_bytes()))
        return str(caught.value)
    finally:
        await runner.cleanup()


async def test_a_clock_that_is_off(tmp_path: Path) -> None:
    authority = throwaway.Authority(tmp_path)
    cluster = ClusterConfig("c", "/nowhere", 0, 6443, 0, "loopback", "127.0.0.1")
    told = info_map(cluster, authority.file.read_bytes())
    said = await refused(Strange(200, told, date=7230), authority)
    assert said.startswith("this host's clock is 2 h 0 min behind the server's")


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        (
            Strange(404, {"message": 'configmaps "cluster-info" not found'}),
            'configmaps "cluster-info" not found',
        ),
        (Strange(200, {}), "holds no CA certificate"),
        (Strange(200, []), "holds no CA certificate"),
    ],
)
async def test_what_is_no_server(tmp_path: Path, strange: Strange, why: str) -> None:
    said = await refused(strange, throwaway.Authority(tmp_path))
    assert "is not to be joined" in said
    assert why in said


async def test_what_does_not_speak_tls() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n")
        writer.close()

    listener = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        with pytest.raises(UserError, match=r"does not (speak TLS|answer) as a podyard server does"):
            await discover(f"127.0.0.1:{port}", "sha256:" + "0" * 64)
