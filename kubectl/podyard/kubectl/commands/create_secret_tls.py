"""kubectl create secret tls."""

from __future__ import annotations

import os
import ssl

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.create_secret_generic import create_secret
from podyard.kubectl.creating import CREATE_FLAGS, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.hashing import APPEND_HASH_FLAG
from podyard.kubectl.output import system_text
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Secret of a certificate and its key, which must belong together."""
    name = only_name(session)
    certificate, key = session["cert"], session["key"]
    if not certificate or not key:
        raise CommandError("key and cert must be specified")
    values = {"tls.crt": _read(certificate), "tls.key": _read(key)}
    _check(certificate, key)
    create_secret(session, name, "kubernetes.io/tls", values)
    return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"Cannot read file {path}, open {path}: {system_text(error)}") from None


def _check(certificate: str, key: str) -> None:
    """Raise when the key is not the certificate's."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            os.path.abspath(certificate), os.path.abspath(key)
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CommandError("tls: private key does not match public key") from None
        raise CommandError("tls: failed to find any PEM data in certificate or key input") from None


COMMAND = Command(
    "create secret tls NAME --cert=path/to/cert/file --key=path/to/key/file",
    "Create a TLS secret",
    run,
    (
        Flag("cert", "Path to PEM encoded public key certificate."),
        Flag("key", "Path to private key associated with given certificate."),
        APPEND_HASH_FLAG,
        *CREATE_FLAGS,
    ),
    "kubectl create secret tls tls-secret --cert=path/to/tls.crt --key=path/to/tls.key",
)
