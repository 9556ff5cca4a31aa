"""`podyard join`: make this host a node of a cluster that `podyard server` runs elsewhere."""

from __future__ import annotations

import argparse
import asyncio

from podyard.cli import flags
from podyard.cli.cluster import foreground
from podyard.cli.cluster.config import API_PORT
from podyard.cli.cluster.foreground import Job
from podyard.cli.joining import node
from podyard.cli.joining.join import Joined, Wish, become
from podyard.cli.rootless import namespace
from podyard.process.logs import configure_logging
from podyard.process.main import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard join`."""
    parser.add_argument(
        "server",
        nargs="?",
        type=_server,
        metavar="ADDRESS[:PORT]",
        help="the server, as it prints it (or as before)",
    )
    parser.add_argument("--token", default="", help="from the server; not needed once this host has joined")
    parser.add_argument(
        "--ca-cert-hash", default="", metavar="sha256:HEX", help="by which the server's CA is known"
    )
    parser.add_argument(
        "--node-name", default="", metavar="NAME", help="(default: the host's name, or as before)"
    )
    parser.add_argument(
        "--node-ip",
        type=flags.host_address,
        metavar="IP",
        help="this host's address for the others (default: the one by which it reaches the server)",
    )
    flags.add_running(parser)


def command(args: argparse.Namespace) -> int:
    """Join, if that is still to be done; then run it in the foreground, or start it in the background."""
    configure_logging("info")
    if namespace.needed(lan=True):
        raise UserError("`podyard join` needs root: Services listen on ports below 1024 of this host")
    wish = Wish(
        args.name,
        args.data_dir,
        args.server or "",
        args.token,
        args.ca_cert_hash,
        args.node_name,
        args.node_ip or "",
    )
    joined = asyncio.run(become(wish))
    config = joined.node
    job = Job(
        run=lambda report: node.run(config, report, reached=joined.reached),
        words=["join", "--name", config.name],
        path=config.path,
        headline=f"Joining cluster {config.settings.name} at {config.api} as {config.node_name}",
        steps=node.steps(config),
        usage=lambda _, seconds: _usage(joined, seconds),
    )
    return foreground.start(job, detach=args.detach, report_fd=args.report_fd)


def _usage(joined: Joined, seconds: float) -> str:
    config = joined.node
    who = f"Node {config.node_name} of cluster {config.settings.name}"
    if not joined.reached:
        return (
            f"{who} runs on, and is ready when {config.api} can be reached.\nIts state: {config.data_dir}\n"
        )
    return f"{who} is ready after {seconds:.2f} s.\nIts state: {config.data_dir}\n"


def _server(text: str) -> str:
    host, colon, port = text.partition(":")
    if not host or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS or ADDRESS:PORT")
    return f"{host}:{port or API_PORT}"
