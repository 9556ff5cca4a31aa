"""`podyard apiserver`: flags, and running until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import TypeVar

from podyard.apiserver.server import Config, TokenConfig, running
from podyard.apiserver.tokens.authority import Keys
from podyard.apiserver.tokens.jws import load_public_key, load_signing_key
from podyard.process.main import UserError
from podyard.process.notify import notify
from podyard.process.tls import TlsFiles

T = TypeVar("T")

logger = logging.getLogger("apiserver")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the apiserver's flags."""
    file = {"type": Path, "metavar": "FILE"}
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="DIR", help="storage is DIR/apiserver/state.db"
    )
    parser.add_argument("--address", default="127.0.0.1", help="serve HTTPS here (default: %(default)s)")
    parser.add_argument("--port", type=int, default=6443, help="HTTPS port (default: %(default)s)")
    parser.add_argument(
        "--grpc-address", default="127.0.0.1:6444", metavar="HOST:PORT", help="serve the component API here"
    )
    parser.add_argument(
        "--advertise-address", default="", metavar="IP", help="endpoint of the kubernetes Service"
    )
    parser.add_argument(
        "--service-cluster-ip-range", default="127.96.0.0/16", metavar="CIDR", help="addresses of Services"
    )
    parser.add_argument(
        "--service-node-port-range", default="30000-32767", metavar="FROM-TO", help="node ports of Services"
    )
    parser.add_argument("--cluster-dns", default="", metavar="IP", help="address kept for kube-dns")
    parser.add_argument("--client-ca-file", required=True, help="CA of client certificates", **file)  # type: ignore[arg-type]
    parser.add_argument("--tls-cert-file", required=True, help="certificate to serve with", **file)  # type: ignore[arg-type]
    parser.add_argument("--tls-private-key-file", required=True, help="its private key", **file)  # type: ignore[arg-type]
    parser.add_argument(
        "--kubelet-certificate-authority",
        help="CA of what kubelets serve with (default: that of --client-ca-file)",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument("--kubelet-client-cert-file", help="certificate to dial kubelets with", **file)  # type: ignore[arg-type]
    parser.add_argument("--kubelet-client-key-file", help="its private key", **file)  # type: ignore[arg-type]
    parser.add_argument(
        "--service-account-signing-key-file",
        required=True,
        help="private key that signs service account tokens",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument(
        "--service-account-key-file",
        action="append",
        help="key that service account tokens may be signed with (default: the signing key's); repeatable",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument(
        "--service-account-issuer",
        default="https://kubernetes.default.svc.cluster.local",
        metavar="URL",
        help="who tokens say that they are from (default: %(default)s)",
    )
    parser.add_argument(
        "--api-audiences",
        default="",
        metavar="NAME,...",
        help="whom a token for this apiserver is meant for (default: the issuer)",
    )


async def main(args: argparse.Namespace) -> None:
    """Serve until cancelled."""
    config = config_of(args)
    async with running(config) as serving:
        logger.info("serving %s and the component API on %s", serving.url, serving.target)
        notify(READY=1, STATUS=f"serving on {serving.url}")
        await asyncio.shield(serving.background)


def config_of(args: argparse.Namespace) -> Config:
    """Read the flags; UserError names the one that is wrong."""
    kubelet_tls = None
    if args.kubelet_client_cert_file and args.kubelet_client_key_file:
        kubelet_tls = TlsFiles(
            args.kubelet_certificate_authority or args.client_ca_file,
            args.kubelet_client_cert_file,
            args.kubelet_client_key_file,
        )
    service_cidr = _network(args.service_cluster_ip_range)
    if args.cluster_dns and _address("--cluster-dns", args.cluster_dns) not in service_cidr:
        raise UserError(
            f"--cluster-dns {args.cluster_dns} is not in --service-cluster-ip-range {service_cidr}"
        )
    return Config(
        data_dir=args.data_dir,
        address=args.address,
        port=args.port,
        grpc_address=args.grpc_address,
        service_cidr=service_cidr,
        node_ports=_port_range(args.service_node_port_range),
        tls=TlsFiles(args.client_ca_file, args.tls_cert_file, args.tls_private_key_file),
        kubelet_tls=kubelet_tls,
        cluster_dns=args.cluster_dns,
        advertise_address=str(_address("--advertise-address", args.advertise_address or args.address)),
        tokens=_tokens(args),
    )


def _tokens(args: argparse.Namespace) -> TokenConfig:
    signing = _load(
        load_signing_key, "--service-account-signing-key-file", args.service_account_signing_key_file
    )
    files = args.service_account_key_file or ()
    others = [_load(load_public_key, "--service-account-key-file", file) for file in files]
    keys = {key.key_id: key for key in (signing.public, *others)}
    audiences = [name for name in args.api_audiences.split(",") if name] or [args.service_account_issuer]
    return TokenConfig(Keys(signing, tuple(keys.values())), args.service_account_issuer, tuple(audiences))


def _load(load: Callable[[Path], T], flag: str, file: Path) -> T:
    try:
        return load(file)
    except OSError as error:
        raise UserError(f"{flag} {file}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{flag} {file}: {error}") from None


def _network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise UserError(f"--service-cluster-ip-range {text}: {error}") from None
    if network.num_addresses < 8:
        raise UserError(f"--service-cluster-ip-range {text} is too small")
    return network


def _address(flag: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise UserError(f"{flag} {text}: {error}") from None


def _port_range(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        ports = range(int(first), int(last) + 1)
    except ValueError:
        ports = range(0)
    if not ports or ports.start < 1 or ports.stop > 65536:
        raise UserError(f"--service-node-port-range {text}: must be FROM-TO, within 1-65535")
    return ports
