"""Certificates that are replaced while they are in use, and those that the cluster signs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import grpc.aio
import pytest
from cryptography import x509

from podyard.api.errors import StatusError
from podyard.api.resources import CERTIFICATESIGNINGREQUESTS, NAMESPACES
from podyard.client import client as client_module
from podyard.client.client import Client, Object
from podyard.client.signing import (
    KUBELET_CLIENT,
    KUBELET_SERVING,
    NotSigned,
    Wanted,
    certificate_in,
    obtain,
)
from podyard.process.files import write_file
from podyard.process.tls import TlsFiles
from tests.support.apiserver import RunningApiserver, running_apiserver
from tests.support.certificates import Authority, client_context, encoded_certificate, encoded_request


def together(files: TlsFiles, target: Path) -> TlsFiles:
    """Certificate and key in one file."""
    write_file(target, files.cert.read_bytes() + files.key.read_bytes(), 0o600)
    return TlsFiles(files.ca, target, target)


async def whoami(client: Client) -> str:
    spec = {"request": encoded_request("x"), "signerName": "example.com/x", "usages": ["client auth"]}
    made = await client.create(
        CERTIFICATESIGNINGREQUESTS, {"metadata": {"generateName": "who-"}, "spec": spec}
    )
    return str(made["spec"]["username"])


async def test_a_client_takes_its_new_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CERTIFICATE_CHECK_SECONDS", 0.02)
    async with running_apiserver() as server:
        files = together(server.authority.issue("alice"), tmp_path / "current.pem")
        client = Client(server.target, files)
        following = asyncio.create_task(client.follow_certificate())
        version = (await client.list(NAMESPACES)).resource_version
        async with contextlib.aclosing(client.watch(NAMESPACES, resource_version=version)) as events:
            waiting = asyncio.ensure_future(anext(events))
            assert await whoami(client) == "alice"
            together(server.authority.issue("bob"), tmp_path / "current.pem")
            async with asyncio.timeout(20):
                while await whoami(client) != "bob":
                    pass
                with pytest.raises(StatusError, match="cannot be reached"):
                    await waiting
        following.cancel()
        await client.close()


async def test_a_server_serves_its_new_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = together(authority.issue("one"), tmp_path / "current.pem")
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", files.server_credentials())
    await server.start()

    async def served() -> str:
        context = client_context(authority.issue("client"), authority.file)
        context.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = found.getpeercert(binary_form=True)
        writer.close()
        assert der
        return x509.load_der_x509_certificate(der).subject.rfc4514_string()

    try:
        assert await served() == "CN=one"
        together(authority.issue("two"), tmp_path / "current.pem")
        assert await served() == "CN=two"
        files.cert.unlink()
        assert await served() == "CN=two"
    finally:
        await server.stop(None)


def answered(**status: object) -> Object:
    return {"metadata": {"name": "csr-x"}, "status": status}


def test_the_outcome_of_a_request() -> None:
    assert certificate_in({"metadata": {"name": "csr-x"}}) is None
    approved = {"type": "Approved", "status": "True"}
    assert certificate_in(answered(conditions=[approved])) is None
    signed = certificate_in(answered(conditions=[approved], certificate=encoded_certificate()))
    assert signed is not None and signed.startswith(b"-----BEGIN CERTIFICATE")
    for kind, reason in (("Denied", "NotYou"), ("Failed", "SignerValidationFailure")):
        condition = {"type": kind, "status": "True", "reason": reason, "message": "no"}
        with pytest.raises(NotSigned, match=f"request csr-x was {kind.lower()}: {reason}: no"):
            certificate_in(answered(conditions=[condition]))


async def decide(server: RunningApiserver, admin: Client, status: Object, subresource: str) -> None:
    while not (found := (await admin.list(CERTIFICATESIGNINGREQUESTS)).items):
        pass
    await admin.update(CERTIFICATESIGNINGREQUESTS, {**found[0], "status": status}, subresource=subresource)


@pytest.mark.parametrize("denied", [True, False])
async def test_waiting_for_the_signature(denied: bool) -> None:
    condition = {"type": "Denied", "status": "True", "reason": "NotYou"}
    async with running_apiserver() as server:
        admin = Client(server.target, server.tls)
        node = Client(server.target, server.authority.issue("system:node:n1", "system:nodes"))
        wanted = Wanted("n1", KUBELET_SERVING, ("n1", "10.0.0.1"))
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            asked = group.create_task(_outcome(node, wanted))
            if denied:
                await decide(server, admin, {"conditions": [condition]}, "approval")
            else:
                await decide(server, admin, {"certificate": encoded_certificate()}, "status")
        (request,) = (await admin.list(CERTIFICATESIGNINGREQUESTS)).items
        spec = request["spec"]
        assert (spec["signerName"], spec["usages"]) == (KUBELET_SERVING, ["digital signature", "server auth"])
        if denied:
            assert "NotYou" in asked.result()
        else:
            assert asked.result().count("BEGIN") == 2
        await admin.close()
        await node.close()


async def _outcome(client: Client, wanted: Wanted) -> str:
    try:
        return (await obtain(client, wanted)).decode()
    except NotSigned as error:
        return str(error)


def test_who_a_node_is() -> None:
    assert Wanted("n1", KUBELET_CLIENT).user == "system:node:n1"
