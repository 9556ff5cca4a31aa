"""A kubelet whose certificates last for seconds: asked for, renewed, and taken up while it runs."""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509

from podyard.api.resources import CERTIFICATESIGNINGREQUESTS, LEASES, NODES
from podyard.client import client as client_module
from podyard.client.client import Client, Object
from podyard.client.factory import InformerFactory
from podyard.client.signing import KUBELET_CLIENT, KUBELET_SERVING, Wanted, obtain
from podyard.controllers.certificates.approver import CertificateApprovingController
from podyard.controllers.certificates.signer import CertificateSigningController
from podyard.controllers.certificates.signing import Signing
from podyard.kubelet import certificates as module
from podyard.kubelet import command, node_agent
from podyard.process.certificates import load_authority
from podyard.process.clock import RealClock
from podyard.process.files import write_file
from podyard.process.main import UserError
from tests.support.apiserver import RunningApiserver, running_apiserver
from tests.support.certificates import client_context
from tests.unit.kubelet.kubelet_harness import PATIENCE_SECONDS, Cluster

SECONDS = 5.0
Reports = asyncio.Queue[dict[str, str | int]]
CLIENT, SERVING = "kube-apiserver-client-kubelet", "kubelet-serving"


class Joined(Cluster):
    """A node that has got its first certificate, and renews it itself."""

    pem: Path
    serving: Path

    def arguments(self) -> list[str]:
        """With certificates that rotate."""
        others = [word for word in super().arguments() if not word.startswith(("--cert-file", "--key-file"))]
        files = [f"--cert-file={self.pem}", f"--key-file={self.pem}", f"--tls-cert-file={self.serving}"]
        return [*others, *files, "--rotate-certificates"]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """What the kubelet tells its supervisor."""
    found = Reports()
    monkeypatch.setattr(command, "notify", lambda **fields: found.put_nowait(fields))
    return found


@pytest.fixture
async def server() -> AsyncIterator[RunningApiserver]:
    """An apiserver, and the controllers that approve and sign."""
    async with running_apiserver() as server:
        client = Client(server.target, server.tls)
        informers = InformerFactory(client)
        authority = load_authority(server.authority.file, server.authority.key_file)
        signing = Signing(dict.fromkeys((KUBELET_CLIENT, KUBELET_SERVING), authority), SECONDS)
        controllers = (
            CertificateApprovingController(client, informers),
            CertificateSigningController(client, informers, RealClock(), signing),
        )
        tasks = [asyncio.create_task(controller.run()) for controller in controllers]
        tasks.append(asyncio.create_task(informers.run()))
        yield server
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def test_certificates_are_renewed_while_the_kubelet_runs(
    server: RunningApiserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: Reports
) -> None:
    monkeypatch.setattr(client_module, "CERTIFICATE_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(node_agent, "LEASE_RENEW_SECONDS", 0.2)
    async with joined(server, tmp_path) as node:
        admin = node.client
        await node.start_kubelet()
        begun = x509.load_pem_x509_certificate(node.pem.read_bytes())
        assert await ready(reports) == "node node1 is ready"
        served = await certificate_served(server, node)
        assert sorted(str(n.value) for n in names(served)) == [node.node_ip, "node1"]
        requests = admin.watch(CERTIFICATESIGNINGREQUESTS)
        async with asyncio.timeout(60):
            # It goes on for longer than its first certificates last.
            seen: list[Object] = []
            async for event in requests:
                if event.type == "MODIFIED" and (event.object.get("status") or {}).get("certificate"):
                    seen.append(event.object)
                if min(signers(seen, name) for name in (CLIENT, SERVING)) >= 2:
                    break
            lease = await admin.get(LEASES, "node1", "kube-node-lease")
            async for lease_event in admin.watch(
                LEASES, resource_version=lease["metadata"]["resourceVersion"]
            ):
                if lease_event.type == "MODIFIED":
                    break
        assert x509.load_pem_x509_certificate(node.pem.read_bytes()) != begun
        assert await certificate_served(server, node) != served


async def test_a_node_is_ready_without_a_certificate_to_serve_with(
    server: RunningApiserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports: Reports
) -> None:
    """Another Node has its address: it serves no streams until that one is gone."""
    monkeypatch.setattr(command, "STREAMS_SECONDS", 0.05)
    async with joined(server, tmp_path) as node:
        addresses = [{"type": "InternalIP", "address": node.node_ip}]
        await node.client.create(NODES, {"metadata": {"name": "old"}, "status": {"addresses": addresses}})
        await node.start_kubelet()
        with pytest.raises(ConnectionRefusedError):
            await certificate_served(server, node)
        assert await ready(reports) == (
            "node node1 is ready, but exec and logs wait for a certificate, which nobody has approved "
            "(kubectl get csr)"
        )
        await node.client.delete(NODES, "old")
        assert await ready(reports) == "node node1 is ready"
        assert await certificate_served(server, node)


async def test_a_key_that_rotates_is_beside_its_certificate(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    own = "--ca-file=a --cert-file=b --key-file=b --tls-cert-file=c --rotate-certificates"
    words = f"--server=x:1 {own} --node-name=n --node-ip=127.0.0.1 --data-dir={tmp_path}".split()
    with pytest.raises(UserError, match="--tls-private-key-file: with --rotate-certificates"):
        await command.main(parser.parse_args([*words, "--tls-private-key-file=d"]))


async def ready(reports: Reports) -> str:
    """The status of the kubelet's next report that it is ready."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "READY" not in (report := await reports.get()):
            continue
    return str(report["STATUS"])


@asynccontextmanager
async def joined(server: RunningApiserver, directory: Path) -> AsyncIterator[Joined]:
    admin = Client(server.target, server.tls)
    node = Joined(server, directory / "data", admin)
    node.pem, node.serving = directory / "client.pem", directory / "serving.pem"
    # As `podyard join` does, but that the one who asks is a node already.
    first = Client(server.target, server.authority.issue("system:node:node1", "system:nodes"))
    write_file(node.pem, await obtain(first, Wanted("node1", KUBELET_CLIENT)), 0o600)
    await first.close()
    informers = [asyncio.create_task(one.run()) for one in (node.pods, node.events, node.nodes)]
    try:
        yield node
    finally:
        await node.stop_kubelet()
        for task in informers:
            task.cancel()
        await admin.close()


def signers(requests: list[Object], name: str) -> int:
    return sum(request["spec"]["signerName"].endswith(f"/{name}") for request in requests)


def names(certificate: x509.Certificate) -> list[x509.DNSName | x509.IPAddress]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [name for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]


async def certificate_served(server: RunningApiserver, node: Cluster) -> x509.Certificate:
    context = client_context(server.tls, server.authority.file)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(node.node_ip, 10250, ssl=context)
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    der = found.getpeercert(binary_form=True)
    writer.close()
    assert der
    return x509.load_der_x509_certificate(der)


def test_renewals_of_many_nodes_are_spread() -> None:
    rng = random.Random(7)
    times = [module.renewal((0.0, 1000.0), rng.random()) for _ in range(200)]
    assert 700 <= min(times) < 720
    assert 880 < max(times) <= 900
