"""`podyard server`: start a cluster that other hosts join."""

from __future__ import annotations

import argparse

from podyard.cli import flags
from podyard.cli.cluster import index
from podyard.cli.cluster.config import API_PORT, NETNS
from podyard.cli.commands import up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard server`."""
    flags.add_running(parser)
    parser.add_argument(
        "--advertise",
        type=flags.host_address,
        metavar="ADDRESS",
        help="this host's address for the others, on which everything listens (or as before)",
    )
    flags.add_control_plane(parser, port=f"(default: {API_PORT})", network=NETNS)


def command(args: argparse.Namespace) -> int:
    """Run the apiserver, the controllers and the DNS server; no node is on this host by that."""
    cluster = index.find_or_create(
        args.name,
        args.data_dir,
        None,
        args.port,
        network=args.network,
        advertise=args.advertise or "",
        component_args=flags.component_args(args),
    )
    return up.start(cluster, args)
