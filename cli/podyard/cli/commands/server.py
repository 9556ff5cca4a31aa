"""`podyard server`: start a cluster that other hosts join."""

from __future__ import annotations

import argparse
import ipaddress

from podyard.cli.cluster import index
from podyard.cli.cluster.config import NETNS, NETWORKS
from podyard.cli.commands import up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard server`."""
    up.add_common_arguments(parser)
    parser.add_argument(
        "--advertise",
        type=_address,
        metavar="ADDRESS",
        help="this host's address for the others, on which everything listens (or as before)",
    )
    parser.add_argument(
        "--port", type=up.port, help="the API's port (default: 6443); the next one is used too"
    )
    parser.add_argument(
        "--network", choices=NETWORKS, help=f"how pods get their addresses (default: {NETNS}, or as before)"
    )
    up.add_component_arguments(parser)


def command(args: argparse.Namespace) -> int:
    """Run the apiserver, the controllers and the DNS server; no node is on this host by that."""
    cluster = index.find_or_create(
        args.name,
        args.data_dir,
        None,
        args.port,
        network=args.network,
        advertise=args.advertise or "",
        component_args=up.component_args(args),
    )
    return up.start(cluster, args)


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address") from None
    if address.is_unspecified:
        raise argparse.ArgumentTypeError(f"{text} is no address by which other hosts reach this one")
    return str(address)
