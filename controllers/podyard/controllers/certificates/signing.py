"""Which CA signs for which signer: flags of the controllers, named as kube-controller-manager's."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podyard.controllers.certificates.requests import CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from podyard.process.certificates import Authority, load_authority
from podyard.process.main import UserError


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs, by the signer's name, and how long in seconds a certificate lasts at most."""

    authorities: Mapping[str, Authority]
    seconds: float


def add_signing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --cluster-signing-…."""
    file = {"type": Path, "metavar": "FILE"}
    parser.add_argument(
        "--cluster-signing-cert-file",
        help="CA that signs requests for certificates (default: none are signed)",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument("--cluster-signing-key-file", help="its private key", **file)  # type: ignore[arg-type]
    parser.add_argument(
        "--cluster-signing-kubelet-serving-cert-file",
        help="CA that signs what kubelets serve with (default: that of --cluster-signing-cert-file)",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument(
        "--cluster-signing-kubelet-serving-key-file",
        help="its private key",
        **file,  # type: ignore[arg-type]
    )
    parser.add_argument(
        "--cluster-signing-duration",
        type=float,
        default=365 * 24 * 3600.0,
        metavar="SECONDS",
        help="how long such certificates last at most (default: a year)",
    )


def signing(args: argparse.Namespace) -> Signing:
    """Who signs for Kubernetes' own signers. Raises UserError."""
    if args.cluster_signing_duration <= 0:
        raise UserError("--cluster-signing-duration: must be more than 0 seconds")
    general = _authority(args, "cluster-signing")
    serving = _authority(args, "cluster-signing-kubelet-serving") or general
    chosen = {CLIENT: general, KUBELET_CLIENT: general, KUBELET_SERVING: serving}
    authorities = {signer: authority for signer, authority in chosen.items() if authority is not None}
    return Signing(authorities, args.cluster_signing_duration)


def _authority(args: argparse.Namespace, flag: str) -> Authority | None:
    """The CA of --FLAG-cert-file and --FLAG-key-file."""
    certificate, key = (getattr(args, f"{flag}-{kind}-file".replace("-", "_")) for kind in ("cert", "key"))
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UserError(f"--{flag}-cert-file and --{flag}-key-file go together")
    try:
        return load_authority(certificate, key)
    except OSError as error:
        raise UserError(f"--{flag}-cert-file {certificate}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"--{flag}-cert-file {certificate}: {error}") from None
