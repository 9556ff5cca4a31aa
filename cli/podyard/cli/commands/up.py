"""`podyard up`: start a cluster on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from podyard.cli.cluster import index, up
from podyard.cli.cluster.config import DEFAULT_NAME, NETWORKS, ClusterConfig
from podyard.cli.cluster.foreground import Shown, as_background, in_background, in_foreground
from podyard.cli.cluster.progress import Progress, how_to_use
from podyard.cli.cluster.run import Report
from podyard.cli.cluster.steps import steps
from podyard.process.logs import configure_logging

COMPONENTS = ("apiserver", "controller-manager")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard up`."""
    add_common_arguments(parser)
    parser.add_argument(
        "--nodes", type=_nodes, metavar="N", help="how many nodes, 1 to 99 (default: 3, or as before)"
    )
    parser.add_argument("--port", type=port, help="the API's port on 127.0.0.1; the next one is used too")
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        help="pods on addresses of 127.0.0.0/8 (loopback), or nodes and pods in network namespaces of their "
        "own (netns) (default: loopback, or as before)",
    )
    add_component_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of everything that runs in the foreground or, with -d, in the background."""
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where its state lives (default: ~/.podyard/NAME)"
    )
    parser.add_argument("-d", "--detach", action="store_true", help="leave it running in the background")
    parser.add_argument("--report-fd", type=int, default=-1, help=argparse.SUPPRESS)


def add_component_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags for the components of the control plane."""
    for component in COMPONENTS:
        parser.add_argument(
            f"--{component}-arg",
            action="append",
            metavar="FLAG=VALUE",
            help=f"a further flag for the {component}, without dashes (repeatable; default: as before)",
        )


def component_args(args: argparse.Namespace) -> dict[str, list[str]]:
    """What was given of them."""
    given = {name: getattr(args, f"{name.replace('-', '_')}_arg") for name in COMPONENTS}
    return {name: [f"--{flag.lstrip('-')}" for flag in flags] for name, flags in given.items() if flags}


def command(args: argparse.Namespace) -> int:
    """Run it in the foreground until Ctrl-C, or start it in the background."""
    cluster = index.find_or_create(
        args.name,
        args.data_dir,
        args.nodes,
        args.port,
        network=args.network,
        component_args=component_args(args),
    )
    return start(cluster, args)


def start(cluster: ClusterConfig, args: argparse.Namespace) -> int:
    """Run a cluster as `add_common_arguments` says; exit status."""
    configure_logging("info")

    async def run(report: Report) -> None:
        await up.run(cluster, report)

    if args.report_fd >= 0:
        return as_background(run, args.report_fd)
    progress = Progress(f"Starting cluster {cluster.name} in {cluster.data_dir}", steps(cluster))
    shown = Shown(progress, lambda said, seconds: how_to_use(cluster, said, seconds), detached=args.detach)
    if args.detach:
        return in_background(cluster.path, [cluster.command, "--name", cluster.name], shown)
    return in_foreground(run, shown)


def _nodes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)


def port(text: str) -> int:
    """A port that has another one after it."""
    if not text.isdigit() or not 1 <= int(text) <= 65534:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65534")
    return int(text)
