"""Requests for certificates: which are approved, signed, cleaned away; and the end of bootstrap tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podyard.api.resources import CERTIFICATESIGNINGREQUESTS, NODES, SECRETS
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.controllers.bootstrap_tokens import seconds_left
from podyard.controllers.certificates.cleaner import is_over
from podyard.controllers.certificates.requests import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    Verdict,
    approval,
    problem,
    read,
)
from podyard.controllers.certificates.signer import sign
from podyard.controllers.meta import Object
from podyard.process.certificates import Authority, certificate_pem, key_pem, new_key, self_signed
from podyard.process.files import write_file
from tests.support.certificates import encoded_certificate, encoded_request, encoded_request_of
from tests.unit.controllers.control_plane import PATIENCE_SECONDS, ControlPlane, control_plane

NOW = 1_700_000_000.0
CLIENT_USAGES = ["digital signature", "client auth"]
SERVER_USAGES = ["digital signature", "server auth"]
NODE1, NODES_GROUP = "system:node:node1", "system:nodes"
ITSELF: dict[str, Any] = {"username": NODE1, "groups": [NODES_GROUP, "system:authenticated"]}
JOINING: dict[str, Any] = {"username": "system:bootstrap:abcdef", "groups": ["system:bootstrappers"]}


def request(
    name: str = NODE1,
    organization: str = NODES_GROUP,
    names: tuple[str, ...] = (),
    signer: str = KUBELET_CLIENT,
    usages: list[str] = CLIENT_USAGES,
    **spec: Any,
) -> Object:
    encoded = encoded_request(name, organization, names)
    return {
        "metadata": {"name": "r", "creationTimestamp": to_rfc3339(NOW)},
        "spec": {"request": encoded, "signerName": signer, "usages": usages, **spec},
    }


def serving(*names: str, **spec: Any) -> Object:
    return request(names=names, **{"signer": KUBELET_SERVING, "usages": SERVER_USAGES, **ITSELF, **spec})


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (request(), ""),
        (request(usages=["digital signature", "key encipherment", "client auth"]), ""),
        (request(organization=""), "subject organization is not system:nodes"),
        (request(organization="system:masters"), "subject organization is not system:nodes"),
        (request(names=("node1",)), "DNS subjectAltNames are not allowed"),
        (request(names=("10.0.0.1",)), "IP subjectAltNames are not allowed"),
        (request(usages=["client auth"]), "usages did not match"),
        (request(usages=[*CLIENT_USAGES, "server auth"]), "usages did not match"),
        (request(name="node1"), "subject common name does not begin with system:node:"),
        (request(name="system:node:"), "subject common name does not begin with system:node:"),
        (serving("node1"), ""),
        (serving(), "DNS or IP subjectAltName is required"),
        (serving("node1", usages=CLIENT_USAGES), "usages did not match"),
        (request("jane", "developers", signer=CLIENT, usages=["client auth"]), ""),
        (request("jane", signer=CLIENT, usages=["server auth"]), "usages did not match"),
    ],
)
def test_what_signers_sign(asked: Object, why: str) -> None:
    found = problem(read(asked))
    assert found.startswith(why)
    assert bool(found) is bool(why)


CN, ORG, UID = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.USER_ID


@pytest.mark.parametrize(
    ("attributes", "signer", "why"),
    [
        ([(ORG, NODES_GROUP), (CN, NODE1), (CN, "0")], KUBELET_CLIENT, "subject has 2 common names"),
        ([(ORG, NODES_GROUP), (CN, NODE1), (CN, "0")], KUBELET_SERVING, "subject has 2 common names"),
        ([(CN, "jane"), (CN, "joe")], CLIENT, "subject has 2 common names"),
        ([(ORG, NODES_GROUP), (ORG, "x"), (CN, NODE1)], KUBELET_CLIENT, "subject organization is not"),
        (
            [(ORG, NODES_GROUP), (CN, NODE1), (UID, "0")],
            KUBELET_CLIENT,
            "subject has more than a common name",
        ),
        ([(ORG, NODES_GROUP)], KUBELET_CLIENT, "subject common name does not begin with system:node:"),
        ([(ORG, "a"), (ORG, "b"), (CN, "jane"), (UID, "0")], CLIENT, ""),
    ],
)
def test_subjects(attributes: list[tuple[x509.ObjectIdentifier, str]], signer: str, why: str) -> None:
    """Nobody is somebody else to another reader of the certificate."""
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    names = ("node1",) if signer == KUBELET_SERVING else ()
    usages = SERVER_USAGES if signer == KUBELET_SERVING else CLIENT_USAGES
    asked = request(signer=signer, usages=usages, username="system:node:node10", groups=[NODES_GROUP])
    asked["spec"]["request"] = encoded_request_of(name, names)
    found = problem(read(asked))
    assert found.startswith(why)
    assert bool(found) is bool(why)
    assert not approval(read(asked), []).approved


def node(name: str, *addresses: str) -> Object:
    listed = [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "metadata": {"name": name},
        "status": {"addresses": [*listed, {"type": "Hostname", "address": name}]},
    }


@pytest.mark.parametrize(
    ("asked", "approved"),
    [
        (request(**JOINING), True),
        (request(**ITSELF), True),
        (request(name="system:node:node2", **ITSELF), False),
        (request(username=NODE1, groups=["system:authenticated"]), False),
        (request(username="jane", groups=["system:authenticated"]), False),
        (request(usages=["client auth"], **JOINING), False),
        (request(signer=CLIENT, **JOINING), False),
        (request("x", "y", signer=CLIENT, usages=["client auth"], username="admin"), False),
        (serving("node1", "10.0.0.1"), True),
        (serving("10.0.0.1"), True),
        (serving("node1"), True),
        (serving("node2"), False),
        (serving("node1", "10.0.0.2"), False),  # another node's
        (serving("node1", "10.0.0.9"), False),  # nobody's
        (serving("node1", "10.0.0.3"), False),  # claimed by two
        (serving("node1", **JOINING), False),
        (serving("node1", username="system:node:node2"), False),
    ],
)
def test_what_is_approved(asked: Object, approved: bool) -> None:
    nodes = [node("node1", "10.0.0.1", "10.0.0.3"), node("node2", "10.0.0.2", "10.0.0.3")]
    assert approval(read(asked), nodes).approved is approved


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (serving("node1", "10.0.0.3"), "address 10.0.0.3 also belongs to node node2"),
        (serving("node1", "10.0.0.9"), "address 10.0.0.9 does not belong to node node1"),
        (serving("node1", "node2"), "node2 is not the name of node node1"),
        (serving("node1", username="jane"), "jane asks for one of system:node:node1"),
        (request(organization="x", **ITSELF), "subject organization is not system:nodes"),
        (request("jane", signer=CLIENT, usages=["client auth"]), ""),
    ],
)
def test_why_something_is_not_approved(asked: Object, why: str) -> None:
    nodes = [node("node1", "10.0.0.1", "10.0.0.3"), node("node2", "10.0.0.3")]
    assert approval(read(asked), nodes) == Verdict(False, why)


def test_a_certificate() -> None:
    key = new_key()
    authority = Authority(self_signed("ca", key, 3650), key)
    now = datetime.now(UTC)
    made = x509.load_pem_x509_certificate(
        sign(read(serving("node1", "10.0.0.1")), authority, 86400, now.timestamp())
    )
    made.verify_directly_issued_by(authority.certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node1"]
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    life = made.not_valid_after_utc - made.not_valid_before_utc
    assert life == timedelta(days=1, minutes=5)
    short = x509.load_pem_x509_certificate(sign(read(request()), authority, 60, now.timestamp()))
    assert short.not_valid_after_utc - short.not_valid_before_utc == timedelta(minutes=2)
    for_ever = x509.load_pem_x509_certificate(sign(read(request()), authority, 1e9, now.timestamp()))
    assert for_ever.not_valid_after_utc == authority.certificate.not_valid_after_utc


def decided(kind: str, certificate: str = "") -> Object:
    condition = {"type": kind, "status": "True", "lastUpdateTime": to_rfc3339(NOW)}
    status = {"conditions": [condition], **({"certificate": certificate} if certificate else {})}
    return {**request(), "status": status}


@pytest.mark.parametrize(
    ("asked", "hours"),
    [
        (request(), 24),
        (decided("Approved"), 24),
        (decided("Approved", encoded_certificate()), 1),
        (decided("Denied"), 1),
        (decided("Failed"), 1),
    ],
)
def test_how_long_requests_are_kept(asked: Object, hours: int) -> None:
    assert not is_over(asked, NOW + hours * 3600 - 1)
    assert is_over(asked, NOW + hours * 3600 + 1)


def token(expiration: str) -> Object:
    return {"data": {"expiration": base64.b64encode(expiration.encode()).decode()} if expiration else {}}


@pytest.mark.parametrize(
    ("expiration", "left"),
    [
        ("", None),
        (to_rfc3339(NOW + 10), 10.0),
        (to_rfc3339(NOW - 10), 0.0),
        ("never", 0.0),
    ],
)
def test_how_long_a_token_lasts(expiration: str, left: float | None) -> None:
    assert seconds_left(token(expiration), NOW) == left


# With a whole control plane.


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    flags = []
    for flag in ("cluster-signing", "cluster-signing-kubelet-serving"):
        key = new_key()
        write_file(tmp_path / f"{flag}.crt", certificate_pem(self_signed(flag, key, 10)), 0o644)
        write_file(tmp_path / f"{flag}.key", key_pem(key), 0o600)
        flags += [f"--{flag}-cert-file={tmp_path}/{flag}.crt", f"--{flag}-key-file={tmp_path}/{flag}.key"]
    async with control_plane(tmp_path, *flags, nodes=0) as started:
        yield started


def outcome(requests: list[Object]) -> dict[str, str]:
    """By name: the conditions' types, and "Issued"."""
    return {
        r["metadata"]["name"]: ",".join(
            [c["type"] for c in (r.get("status") or {}).get("conditions") or ()]
            + (["Issued"] if (r.get("status") or {}).get("certificate") else [])
        )
        for r in requests
    }


def issuer(request: Object) -> str:
    """Whose signature the certificate of a request has."""
    made = x509.load_pem_x509_certificate(base64.b64decode(request["status"]["certificate"]))
    return made.issuer.rfc4514_string()


async def test_a_kubelet_gets_its_certificates(plane: ControlPlane) -> None:
    kubelet = Client(plane.apiserver.target, plane.apiserver.authority.issue(NODE1, NODES_GROUP))
    try:
        await kubelet.create(CERTIFICATESIGNINGREQUESTS, {**request(), "metadata": {"name": "client"}})
        await kubelet.create(
            CERTIFICATESIGNINGREQUESTS, {**serving("node1", "10.0.0.1"), "metadata": {"name": "serving"}}
        )
        await plane.until(
            CERTIFICATESIGNINGREQUESTS,
            lambda found: outcome(found) == {"client": "Approved,Issued", "serving": ""},
            None,
        )
        # Its addresses become known with its Node.
        await kubelet.create(NODES, node("node1", "10.0.0.1"))
        issuers = await plane.until(
            CERTIFICATESIGNINGREQUESTS,
            lambda found: (
                outcome(found)["serving"] == "Approved,Issued"
                and {each["metadata"]["name"]: issuer(each) for each in found}
            ),
            None,
        )
    finally:
        await kubelet.close()
    # Who trusts the cluster's CA, and so believes it is at the apiserver, does not trust a kubelet.
    assert issuers == {"client": "CN=cluster-signing", "serving": "CN=cluster-signing-kubelet-serving"}


async def test_an_address_is_free_when_its_node_is_deleted(
    plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    await plane.client.create(NODES, node("old", "10.0.0.1"))
    kubelet = Client(plane.apiserver.target, plane.apiserver.authority.issue(NODE1, NODES_GROUP))
    try:
        await kubelet.create(NODES, node("node1", "10.0.0.1"))
        await kubelet.create(
            CERTIFICATESIGNINGREQUESTS, {**serving("node1", "10.0.0.1"), "metadata": {"name": "serving"}}
        )
        await kubelet.create(CERTIFICATESIGNINGREQUESTS, {**request(), "metadata": {"name": "later"}})
        await plane.until(  # requests are looked at in turn
            CERTIFICATESIGNINGREQUESTS,
            lambda found: outcome(found) == {"serving": "", "later": "Approved,Issued"},
            None,
        )
        said = "request serving (kubernetes.io/kubelet-serving) is not approved: "
        assert f"{said}address 10.0.0.1 also belongs to node old" in caplog.text
        await plane.client.delete(NODES, "old")
        await plane.until(
            CERTIFICATESIGNINGREQUESTS, lambda found: outcome(found)["serving"] == "Approved,Issued", None
        )
    finally:
        await kubelet.close()


async def test_a_person_decides_the_rest(plane: ControlPlane) -> None:
    for name, asked in (
        ("good", request("jane", "developers", signer=CLIENT, usages=["client auth"])),
        ("bad", request("jane", signer=KUBELET_CLIENT)),
        ("foreign", request("jane", signer="example.com/mine")),
        ("denied", request("jane", signer=CLIENT, usages=["client auth"])),
    ):
        made = await plane.client.create(CERTIFICATESIGNINGREQUESTS, {**asked, "metadata": {"name": name}})
        kind = "Denied" if name == "denied" else "Approved"
        made["status"] = {
            "conditions": [{"type": kind, "status": "True", "reason": "Me", "message": "I say"}]
        }
        await plane.client.update(CERTIFICATESIGNINGREQUESTS, made, subresource="approval")
    await plane.until(
        CERTIFICATESIGNINGREQUESTS,
        lambda found: (
            outcome(found)
            == {
                "good": "Approved,Issued",
                "bad": "Approved,Failed",
                "foreign": "Approved",
                "denied": "Denied",
            }
        ),
        None,
    )


async def test_an_expired_token_goes(plane: ControlPlane) -> None:
    made = await plane.client.create(
        SECRETS,
        {
            "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {"expiration": to_rfc3339(datetime.now(UTC).timestamp() - 1)},
        },
    )
    version = made["metadata"]["resourceVersion"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in plane.client.watch(SECRETS, "kube-system", resource_version=version):
            if event.type == "DELETED":
                break
