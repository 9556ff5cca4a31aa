"""X.509: keys, requests for certificates, and an authority that signs them (RFC 5280, RFC 2986).

Keys are ECDSA P-256. Who only presents a certificate needs `podyard.process.tls` alone; this module loads
a large library.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH

BACKDATE = datetime.timedelta(minutes=5)
"""How long before its making a certificate begins: clocks of other hosts may be behind."""

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA's certificate and key."""

    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Terms:
    """What a certificate is to say beside whose it is.

    `names` are the DNS names and IP addresses under which it serves, `usages` what it is good for. RSA keys
    alone can encipher others.
    """

    names: Sequence[x509.GeneralName]
    usages: Sequence[x509.ObjectIdentifier]
    begins: datetime.datetime
    ends: datetime.datetime
    key_encipherment: bool = False


def new_key() -> PrivateKey:
    """A key of its own."""
    return ec.generate_private_key(ec.SECP256R1())


def subject(common_name: str, organization: str = "") -> x509.Name:
    """A subject; the common name is the user and the organization the group."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def general_name(name: str) -> x509.GeneralName:
    """An IP address or DNS name, as it stands in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def signing_request(key: PrivateKey, whose: x509.Name, names: Sequence[str] = ()) -> bytes:
    """A PKCS#10 request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(whose)
    if names:
        alternative = x509.SubjectAlternativeName([general_name(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def issue(
    authority: Authority, whose: x509.Name, public_key: CertificatePublicKeyTypes, terms: Terms
) -> x509.Certificate:
    """A certificate for `public_key`, signed by the authority. It never outlasts the authority's own."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(authority.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(terms.begins)
        .not_valid_after(min(terms.ends, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False, encipher=terms.key_encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage(terms.usages), critical=False)
    )
    if terms.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(terms.names), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return builder.add_extension(identifier, critical=False).sign(authority.key, hashes.SHA256())


def self_signed(common_name: str, key: PrivateKey, days: int) -> x509.Certificate:
    """The certificate of a new authority."""
    now = datetime.datetime.now(datetime.UTC)
    name = subject(common_name)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(ca=True, encipher=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_usage(*, ca: bool, encipher: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def load_authority(certificate: Path, key: Path) -> Authority:
    """Read a CA. OSError or ValueError when that cannot be."""
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), load_key(key))


def load_key(file: Path) -> PrivateKey:
    """Read a private key. OSError or ValueError when that cannot be."""
    loaded = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{file} is not an ECDSA key")
    return loaded


def public_key_hash(certificate: x509.Certificate) -> str:
    """ "sha256:" and the hash of the public key, by which kubeadm and RFC 7469 pin a certificate."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def key_pem(key: PrivateKey) -> bytes:
    """A private key, PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """A certificate, PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
