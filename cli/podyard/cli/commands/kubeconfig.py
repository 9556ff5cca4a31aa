"""`podyard kubeconfig`: print a kubeconfig for a cluster."""

from __future__ import annotations

import argparse

from podyard.cli import flags
from podyard.cli.cluster import index, kubeconfig
from podyard.process.main import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard kubeconfig`."""
    flags.add_cluster(parser)


def command(args: argparse.Namespace) -> int:
    """Print it to standard output."""
    cluster = index.require(args.name, args.data_dir)
    try:
        print(kubeconfig.text_of(kubeconfig.standalone(cluster)), end="")
    except FileNotFoundError:
        raise UserError(f"cluster {cluster.name} has no certificates yet; `podyard up` makes them") from None
    return 0
