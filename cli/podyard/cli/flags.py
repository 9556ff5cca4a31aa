"""Flags that several commands of `podyard` share, and the types of their values."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

from podyard.cli.cluster.config import DEFAULT_NAME, NETWORKS

COMPONENTS = ("apiserver", "controller-manager")


def add_cluster(
    parser: argparse.ArgumentParser, data_dir: str = "the cluster whose state lives here"
) -> None:
    """Which cluster: `--name` and `--data-dir`."""
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=data_dir)


def add_running(parser: argparse.ArgumentParser) -> None:
    """Those of everything that runs in the foreground or, with -d, in the background."""
    add_cluster(parser, "where its state lives (default: ~/.podyard/NAME)")
    parser.add_argument("-d", "--detach", action="store_true", help="leave it running in the background")
    parser.add_argument("--report-fd", type=int, default=-1, help=argparse.SUPPRESS)


def add_control_plane(parser: argparse.ArgumentParser, *, port: str, network: str) -> None:
    """Those of a cluster that runs here; `port` and `network` say what is so without the flag."""
    parser.add_argument("--port", type=_port, help=f"the API's port {port}; the next one is used too")
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        help="pods on addresses of 127.0.0.0/8 (loopback), or nodes and pods in network namespaces of their "
        f"own (netns) (default: {network}, or as before)",
    )
    for component in COMPONENTS:
        parser.add_argument(
            f"--{component}-arg",
            action="append",
            metavar="FLAG=VALUE",
            help=f"a further flag for the {component}, without dashes (repeatable; default: as before)",
        )


def component_args(args: argparse.Namespace) -> dict[str, list[str]]:
    """The further flags that were given, by component."""
    given = {name: getattr(args, f"{name.replace('-', '_')}_arg") for name in COMPONENTS}
    return {name: [f"--{flag.lstrip('-')}" for flag in flags] for name, flags in given.items() if flags}


def host_address(text: str) -> str:
    """An IPv4 address of this host for the others."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address") from None
    if address.is_unspecified:
        raise argparse.ArgumentTypeError(f"{text} is no address by which other hosts reach this one")
    return str(address)


def _port(text: str) -> int:
    """A port that has another one after it."""
    if not text.isdigit() or not 1 <= int(text) <= 65534:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65534")
    return int(text)
