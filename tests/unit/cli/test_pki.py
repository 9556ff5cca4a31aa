"""The cluster's certificates."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from podyard.cli.cluster import pki
from podyard.cli.cluster.config import ClusterConfig
from podyard.process.certificates import CLIENT_AUTH, SERVER_AUTH
from podyard.process.main import UserError


@pytest.fixture
def cluster(tmp_path: Path) -> ClusterConfig:
    return ClusterConfig("podyard", str(tmp_path), 0, 6443, 2)


def certificate(cluster: ClusterConfig, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((cluster.path / "pki" / f"{name}.crt").read_bytes())


def subject(cert: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in cert.subject.get_attributes_for_oid(oid)]


def test_each_has_its_identity(cluster: ClusterConfig) -> None:
    pki.ensure(cluster)
    kubelet = certificate(cluster, "kubelet-node2")
    assert subject(kubelet, NameOID.COMMON_NAME) == ["system:node:node2"]
    assert subject(kubelet, NameOID.ORGANIZATION_NAME) == ["system:nodes"]
    assert subject(certificate(cluster, "admin"), NameOID.ORGANIZATION_NAME) == ["system:masters"]
    names = (
        certificate(cluster, "apiserver")
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)
    assert "127.96.0.1" in [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    for identity in pki.identities(cluster):
        made = certificate(cluster, identity.file)
        made.verify_directly_issued_by(certificate(cluster, identity.authority))
        usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usages) == [SERVER_AUTH if identity.server_names else CLIENT_AUTH]
        assert (cluster.path / "pki" / f"{identity.file}.key").stat().st_mode & 0o777 == 0o600


def test_a_kubelet_does_not_serve_with_what_clients_of_the_apiserver_trust(cluster: ClusterConfig) -> None:
    pki.ensure(cluster)
    serving = certificate(cluster, "kubelet-node1-serving")
    serving.verify_directly_issued_by(certificate(cluster, "kubelet-ca"))
    with pytest.raises((ValueError, InvalidSignature)):
        serving.verify_directly_issued_by(certificate(cluster, "ca"))


def test_a_server_has_the_names_by_which_other_hosts_call_it(
    cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> list[str]:
        extensions = certificate(cluster, "apiserver").extensions
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]

    monkeypatch.setattr("socket.gethostname", lambda: "one")
    pki.ensure(cluster)
    assert "one" not in names()
    cluster = replace(cluster, advertise="192.0.2.10")
    pki.ensure(cluster)
    assert {"one", "192.0.2.10", "localhost", "127.0.0.1"} <= set(names())
    monkeypatch.setattr("socket.gethostname", lambda: "other")
    pki.ensure(cluster)
    assert "other" in names() and "one" not in names()


def test_what_is_good_is_kept(cluster: ClusterConfig) -> None:
    pki.ensure(cluster)
    before = {file.name: file.read_bytes() for file in (cluster.path / "pki").iterdir()}
    pki.ensure(replace(cluster, nodes=3))
    after = {file.name: file.read_bytes() for file in (cluster.path / "pki").iterdir()}
    assert {name: after[name] for name in before} == before
    assert "kubelet-node3.crt" in after


def test_what_ends_soon_is_renewed(cluster: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    pki.ensure(cluster)
    before = certificate(cluster, "admin")
    monkeypatch.setattr(pki, "RENEW_BEFORE", datetime.timedelta(days=366))
    pki.ensure(cluster)
    assert certificate(cluster, "admin").serial_number != before.serial_number
    certificate(cluster, "admin").verify_directly_issued_by(certificate(cluster, "ca"))


def test_the_key_of_tokens_stays(cluster: ClusterConfig) -> None:
    pki.ensure(cluster)
    private, public = (cluster.path / "pki" / name for name in ("sa.key", "sa.pub"))
    before = private.read_bytes(), public.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    public.unlink()
    pki.ensure(cluster)
    assert (private.read_bytes(), public.read_bytes()) == before
    private.write_text("garbage")
    public.unlink()
    with pytest.raises(UserError, match=r"sa\.key cannot be read"):
        pki.ensure(cluster)


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt", "kubelet-ca.key"])
def test_a_broken_ca_is_refused_and_kept(cluster: ClusterConfig, lost: str) -> None:
    pki.ensure(cluster)
    (cluster.path / "pki" / lost).write_text("garbage")
    with pytest.raises(UserError, match="cannot be read"):
        pki.ensure(cluster)
    assert (cluster.path / "pki" / lost).read_text() == "garbage"


def test_a_start_that_was_cut_short_is_gone_on_with(cluster: ClusterConfig) -> None:
    """It had written the key of a CA, and no certificate."""
    pki.ensure(cluster)
    key = (cluster.path / "pki" / "ca.key").read_bytes()
    (cluster.path / "pki" / "ca.crt").unlink()
    pki.ensure(cluster)
    assert (cluster.path / "pki" / "ca.key").read_bytes() == key
    certificate(cluster, "admin").verify_directly_issued_by(certificate(cluster, "ca"))
