"""Throw-away certificates: a CA and pairs that it has signed."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podyard.process import certificates
from podyard.process.tls import TlsFiles


class Authority:
    """A certificate authority whose files lie in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        certificate = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = certificate.sign(self._key, hashes.SHA256())
        self.key_file = directory / "ca.key"
        self.key_file.write_bytes(certificates.key_pem(self._key))
        self.file = directory / "ca.crt"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *groups: str, address: str = "127.0.0.1", second_name: str = "") -> TlsFiles:
        """A certificate for client and server use, with `groups` as organisations.

        `second_name` is one more common name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes += [x509.NameAttribute(NameOID.COMMON_NAME, n) for n in (name, second_name) if n]
        subject = x509.Name(attributes)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        files = TlsFiles(self.file, self.directory / f"{name}.crt", self.directory / f"{name}.key")
        files.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )


def client_context(files: TlsFiles | None, ca: Path) -> ssl.SSLContext:
    """TLS for a client, with a certificate or without."""
    context = ssl.create_default_context(cafile=str(ca))
    if files is not None:
        context.load_cert_chain(files.cert, files.key)
    return context


def encoded_request(name: str, organization: str = "", server_names: Sequence[str] = ()) -> str:
    """What stands in a CertificateSigningRequest's spec.request."""
    return encoded_request_of(certificates.subject(name, organization), server_names)


def encoded_request_of(subject: x509.Name, server_names: Sequence[str] = ()) -> str:
    """The same for any subject."""
    pem = certificates.signing_request(certificates.new_key(), subject, server_names)
    return base64.b64encode(pem).decode()


def encoded_certificate() -> str:
    """What stands in its status.certificate when somebody has signed."""
    certificate = certificates.self_signed("somebody", certificates.new_key(), 1)
    return base64.b64encode(certificates.certificate_pem(certificate)).decode()
