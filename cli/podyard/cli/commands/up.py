"""`podyard up`: start a cluster on this machine."""

from __future__ import annotations

import argparse

from podyard.cli import flags
from podyard.cli.cluster import foreground, index, up
from podyard.cli.cluster.config import LOOPBACK, ClusterConfig
from podyard.cli.cluster.foreground import Job
from podyard.cli.cluster.progress import how_to_use
from podyard.cli.cluster.steps import steps
from podyard.process.logs import configure_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard up`."""
    flags.add_running(parser)
    parser.add_argument(
        "--nodes", type=_nodes, metavar="N", help="how many nodes, 1 to 99 (default: 3, or as before)"
    )
    flags.add_control_plane(parser, port="on 127.0.0.1", network=LOOPBACK)


def command(args: argparse.Namespace) -> int:
    """Run it in the foreground until Ctrl-C, or start it in the background."""
    cluster = index.find_or_create(
        args.name,
        args.data_dir,
        args.nodes,
        args.port,
        network=args.network,
        component_args=flags.component_args(args),
    )
    return start(cluster, args)


def start(cluster: ClusterConfig, args: argparse.Namespace) -> int:
    """Run a cluster as `flags.add_running` says; exit status."""
    configure_logging("info")
    job = Job(
        run=lambda report: up.run(cluster, report),
        words=[cluster.command, "--name", cluster.name],
        path=cluster.path,
        headline=f"Starting cluster {cluster.name} in {cluster.data_dir}",
        steps=steps(cluster),
        usage=lambda said, seconds: how_to_use(cluster, said, seconds),
    )
    return foreground.start(job, detach=args.detach, report_fd=args.report_fd)


def _nodes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)
