"""The certificates and keys of a kubeconfig, made ready for TLS."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.kubeconfig import Target
from podyard.kubectl.output import system_text


def tls_context(target: Target) -> ssl.SSLContext:
    """TLS as the kubeconfig wants it. Raises CommandError for certificates that cannot be used."""
    cluster, user = target.cluster, target.user
    context = _trusting(_material(cluster, "certificate-authority"))
    # Certificates without the key usage extension are common in small clusters.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if str(cluster.get("insecure-skip-tls-verify", "")).lower() == "true":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _material(user, "client-certificate"), _material(user, "client-key")
    if certificate and not key:
        raise CommandError("client-key-data or client-key must be specified to use a client certificate")
    if certificate:
        with _memory_file(certificate + b"\n" + key) as path:
            try:
                context.load_cert_chain(path)
            except OSError as error:  # that of OpenSSL is one, too
                raise CommandError(f"unable to use the client certificate and its key: {error}") from None
    return context


def _trusting(authority: bytes) -> ssl.SSLContext:
    """TLS with servers of an authority; of those that the system trusts without one."""
    try:
        return ssl.create_default_context(cadata=authority.decode() or None)
    except (ValueError, ssl.SSLError):
        raise CommandError("unable to load root certificates: there is no certificate in PEM form") from None


def _material(section: Mapping[str, Any], key: str) -> bytes:
    """A certificate or key, from KEY-data or from the file KEY names."""
    data = section.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode("".join(str(data).split()), validate=True)
        except ValueError:
            raise CommandError(f"unable to read {key}-data: illegal base64 data") from None
    path = section.get(key)
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"unable to read {key} {path}: {system_text(error)}") from None


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """A file name for content that must not reach a disk; OpenSSL reads private keys from files only."""
    descriptor = os.memfd_create("podyard-kubectl", 0)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
