"""The cluster's CAs and the certificates of everybody who talks to the apiserver.

Names follow "PKI certificates and requirements" of the Kubernetes documentation. Keys are
ECDSA P-256. A CA lasts ten years, a certificate one; `ensure` renews what ends within 60 days.
"""

from __future__ import annotations

import datetime
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from podyard.cli.cluster.config import ClusterConfig
from podyard.process import certificates
from podyard.process.certificates import Authority, PrivateKey, Terms
from podyard.process.files import write_file
from podyard.process.main import UserError

CA_DAYS, CERTIFICATE_DAYS = 3650, 365
RENEW_BEFORE = datetime.timedelta(days=60)

CA = "ca"
KUBELET_CA = "kubelet-ca"
"""Signs what kubelets serve with, for addresses that they name themselves: the apiserver alone trusts it,
and for that alone. So no node can serve as the apiserver."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate: file name, common name, organization, and the names it may serve under.

    With such names it is for serving, without for dialling. `authority` is the file name of the CA.
    """

    file: str
    common_name: str
    organization: str = ""
    server_names: tuple[str, ...] = ()
    authority: str = CA


def identities(cluster: ClusterConfig) -> list[Identity]:
    """Every certificate the cluster needs."""
    domain = cluster.cluster_domain
    api_names = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        "127.0.0.1",
        cluster.kubernetes_ip,
        cluster.control_plane_ip,
        *((socket.gethostname(),) if cluster.advertise else ()),  # other hosts may call it by its name
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
        user, names = f"system:node:{node}", (node, cluster.node_ip(number))
        found.append(Identity(f"kubelet-{node}", user, "system:nodes"))
        found.append(Identity(f"kubelet-{node}-serving", user, "system:nodes", names, KUBELET_CA))
        found.append(Identity(f"proxy-{node}", "system:kube-proxy"))
    return found


def ensure(cluster: ClusterConfig) -> None:
    """Make what is missing or ends soon. Existing keys and the CAs are kept."""
    directory = cluster.path / "pki"
    directory.mkdir(mode=0o700, exist_ok=True)
    authorities = {file: _ensure_ca(directory, file, f"{cluster.name}-{file}") for file in (CA, KUBELET_CA)}
    _ensure_token_key(directory)
    for identity in identities(cluster):
        authority = authorities[identity.authority]
        if not _is_good(directory / f"{identity.file}.crt", identity, authority.certificate):
            key = certificates.new_key()
            write_file(directory / f"{identity.file}.key", certificates.key_pem(key), 0o600)
            issued = certificates.certificate_pem(_issue(identity, key, authority))
            write_file(directory / f"{identity.file}.crt", issued, 0o644)


def _ensure_ca(directory: Path, file: str, name: str) -> Authority:
    cert_file, key_file = directory / f"{file}.crt", directory / f"{file}.key"
    try:
        if cert_file.exists():
            return certificates.load_authority(cert_file, key_file)
        # Of a start that a full disk has ended, or a crash, the key alone may be there.
        key = certificates.load_key(key_file) if key_file.exists() else None
    except (OSError, ValueError) as error:
        raise UserError(f"the CA {cert_file} cannot be read ({error}); nothing was changed") from None
    if key is None:
        key = certificates.new_key()
        write_file(key_file, certificates.key_pem(key), 0o600)
    certificate = certificates.self_signed(name, key, CA_DAYS)
    write_file(cert_file, certificates.certificate_pem(certificate), 0o644)
    return Authority(certificate, key)


def _ensure_token_key(directory: Path) -> None:
    """The pair that signs and verifies service account tokens: sa.key, sa.pub. It never ends."""
    private, public = directory / "sa.key", directory / "sa.pub"
    if not private.exists():
        write_file(private, certificates.key_pem(certificates.new_key()), 0o600)
        public.unlink(missing_ok=True)
    if not public.exists():
        try:
            key = serialization.load_pem_private_key(private.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise UserError(f"{private} cannot be read ({error}); nothing was changed") from None
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_file(public, pem, 0o644)


def _issue(identity: Identity, key: PrivateKey, authority: Authority) -> x509.Certificate:
    usages = [certificates.SERVER_AUTH if identity.server_names else certificates.CLIENT_AUTH]
    names = [certificates.general_name(name) for name in identity.server_names]
    now = datetime.datetime.now(datetime.UTC)
    terms = Terms(names, usages, now - certificates.BACKDATE, now + datetime.timedelta(days=CERTIFICATE_DAYS))
    whose = certificates.subject(identity.common_name, identity.organization)
    return certificates.issue(authority, whose, key.public_key(), terms)


def _is_good(file: Path, identity: Identity, ca: x509.Certificate) -> bool:
    try:
        cert = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    ends_soon = cert.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < RENEW_BEFORE
    return (
        not ends_soon
        and cert.issuer == ca.subject
        and set(_server_names(cert)) == set(identity.server_names)
        and file.with_suffix(".key").exists()
    )


def _server_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
