"""The cluster CA and the certificates of everybody who talks to the apiserver.

Names follow "PKI certificates and requirements" of the Kubernetes documentation. Keys are
ECDSA P-256. The CA lasts ten years, a certificate one; `ensure` renews what ends within 60 days.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podyard.cli.cluster.config import ClusterConfig
from podyard.process.main import UserError

RENEW_BEFORE = datetime.timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate: file name, common name, organization, and the names it may serve under."""

    file: str
    common_name: str
    organization: str = ""
    server_names: tuple[str, ...] = ()


def identities(cluster: ClusterConfig) -> list[Identity]:
    """Every certificate the cluster needs."""
    domain = cluster.cluster_domain
    api_names = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        cluster.api_address,
        cluster.kubernetes_ip,
        cluster.control_plane_ip,
    )
    found = [
        Identity("apiserver", "kube-apiserver", server_names=api_names),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("admin", "kubernetes-admin", "system:masters"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("dns", "system:coredns"),
        Identity("gate", "system:podyard:gate"),
    ]
    for number, node in enumerate(cluster.node_names(), 1):
        names = (node, cluster.node_ip(number))
        found.append(Identity(f"kubelet-{node}", f"system:node:{node}", "system:nodes", names))
        found.append(Identity(f"proxy-{node}", "system:kube-proxy"))
    return found


def ensure(cluster: ClusterConfig) -> None:
    """Make what is missing or ends soon. Existing keys and the CA are kept."""
    directory = cluster.path / "pki"
    directory.mkdir(mode=0o700, exist_ok=True)
    ca_key, ca_cert = _ensure_ca(directory, cluster.name)
    _ensure_token_key(directory)
    for identity in identities(cluster):
        if not _is_good(directory / f"{identity.file}.crt", ca_cert):
            key = ec.generate_private_key(ec.SECP256R1())
            _write_key(directory / f"{identity.file}.key", key)
            _write_cert(directory / f"{identity.file}.crt", _issue(identity, key, ca_key, ca_cert))


def _ensure_ca(directory: Path, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    cert_file, key_file = directory / "ca.crt", directory / "ca.key"
    if not cert_file.exists() and not key_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(key_file, key)
        _write_cert(cert_file, _self_signed(f"{name}-ca", key))
    try:
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"the cluster CA in {directory} cannot be read ({error}); nothing was changed"
        ) from None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise UserError(f"{key_file} is not an ECDSA key; nothing was changed")
    return loaded, cert


def _ensure_token_key(directory: Path) -> None:
    """The pair that signs and verifies service account tokens: sa.key, sa.pub. It never ends."""
    private, public = directory / "sa.key", directory / "sa.pub"
    if not private.exists():
        _write_key(private, ec.generate_private_key(ec.SECP256R1()))
        public.unlink(missing_ok=True)
    if not public.exists():
        try:
            key = serialization.load_pem_private_key(private.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise UserError(f"{private} cannot be read ({error}); nothing was changed") from None
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(public, pem, 0o644)


def _builder(common_name: str, organization: str, days: int) -> x509.CertificateBuilder:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))  # clocks of other hosts may be behind
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _self_signed(common_name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    builder = _builder(common_name, "", 3650).public_key(key.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return (
        builder.issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _issue(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(identity.common_name, identity.organization, 365).public_key(key.public_key())
    if identity.server_names:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = [_general_name(name) for name in identity.server_names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return (
        builder.issuer_name(ca.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_good(file: Path, ca: x509.Certificate) -> bool:
    try:
        cert = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    ends_soon = cert.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < RENEW_BEFORE
    return not ends_soon and cert.issuer == ca.subject and file.with_suffix(".key").exists()


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(file, pem, 0o600)


def _write_cert(file: Path, cert: x509.Certificate) -> None:
    _write(file, cert.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(file: Path, data: bytes, mode: int) -> None:
    """Replace a file as a whole: a crash leaves the old one or the new one."""
    draft = file.with_suffix(".tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    os.replace(draft, file)
