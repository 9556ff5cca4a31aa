"""Mutual TLS between the components: which files, and the gRPC credentials made of them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The CA that the other side has to be of, and this process' certificate and key, PEM files.

    Certificate and key may be in one file, which can then be replaced as a whole.
    """

    ca: Path
    cert: Path
    key: Path

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For dialling: present our certificate, trust the CA alone."""
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(), self.key.read_bytes(), self.cert.read_bytes()
        )

    def server_credentials(self) -> grpc.ServerCredentials:
        """For serving: demand a client certificate of the CA.

        A certificate that has been replaced is served to every new connection.
        """
        served = self.version()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            try:
                current = self.version()
                if current == served:
                    return None
                configuration, served = self._served(), current
                return configuration
            except OSError:
                return None  # half replaced; the one before is as good as it was

        return grpc.dynamic_ssl_server_credentials(
            self._served(),
            changed,  # type: ignore[arg-type]  # None, says its documentation, is for "the same as before"
            require_client_authentication=True,
        )

    def _served(self) -> grpc.ServerCertificateConfiguration:
        pair = [(self.key.read_bytes(), self.cert.read_bytes())]
        return grpc.ssl_server_certificate_configuration(pair, self.ca.read_bytes())

    def version(self) -> tuple[tuple[int, int], ...]:
        """Something that is another one when a file has been replaced. OSError when one is not there."""
        return tuple((file.stat().st_ino, file.stat().st_mtime_ns) for file in (self.ca, self.cert, self.key))


def add_tls_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --ca-file, --cert-file and --key-file, all required."""
    parser.add_argument("--ca-file", type=Path, required=True, metavar="FILE", help="cluster CA certificate")
    parser.add_argument(
        "--cert-file", type=Path, required=True, metavar="FILE", help="this process' certificate"
    )
    parser.add_argument("--key-file", type=Path, required=True, metavar="FILE", help="its private key")


def tls_files(args: argparse.Namespace) -> TlsFiles:
    """The files that `add_tls_arguments` took."""
    return TlsFiles(args.ca_file, args.cert_file, args.key_file)
