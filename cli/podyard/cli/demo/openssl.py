"""Stands in for `openssl req -x509` on a machine without openssl.

`python -m podyard.cli.demo.openssl req -x509 -nodes -days N -newkey rsa:BITS -keyout F -out F -subj /CN=…`
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def main(words: list[str]) -> None:
    """Make a key and a certificate that it has signed itself."""
    parser = argparse.ArgumentParser(prog="openssl", allow_abbrev=False)
    parser.add_argument("command", choices=["req"])
    parser.add_argument("-x509", action="store_true", required=True)
    parser.add_argument("-nodes", action="store_true", required=True)
    parser.add_argument("-days", type=int, default=30)
    parser.add_argument("-newkey", required=True)
    for name in ("-keyout", "-out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("-subj", required=True)
    args = parser.parse_args(words)
    kind, _, bits = args.newkey.partition(":")
    if kind != "rsa" or not bits.isdigit():
        parser.error(f"-newkey {args.newkey}: this stand-in knows rsa:BITS")
    key = rsa.generate_private_key(65537, int(bits))
    _write(args.keyout, _private(key), 0o600)
    _write(args.out, _certificate(key, args.subj, args.days), 0o644)


def _private(key: rsa.RSAPrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _certificate(key: rsa.RSAPrivateKey, subject: str, days: int) -> bytes:
    name = x509.Name.from_rfc4514_string(",".join(reversed(subject.strip("/").split("/"))))
    public, now = key.public_key(), datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        out.write(content)


if __name__ == "__main__":
    main(sys.argv[1:])
