"""`podyard up`: start a cluster on this machine."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import uvloop

from podyard.cli.cluster import index, up
from podyard.cli.cluster.config import DEFAULT_NAME, ClusterConfig
from podyard.cli.cluster.progress import Progress, how_to_use
from podyard.process.main import UserError, configure_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard up`."""
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    parser.add_argument(
        "--nodes", type=_nodes, metavar="N", help="how many nodes, 1 to 99 (default: 3, or as before)"
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where its state lives (default: ~/.podyard/NAME)"
    )
    parser.add_argument("--port", type=_port, help="the API's port on 127.0.0.1; the next one is used too")
    parser.add_argument("-d", "--detach", action="store_true", help="leave it running in the background")
    parser.add_argument("--report-fd", type=int, default=-1, help=argparse.SUPPRESS)


def command(args: argparse.Namespace) -> int:
    """Run it in the foreground until Ctrl-C, or start it in the background."""
    cluster = index.find_or_create(args.name, args.data_dir, args.nodes, args.port)
    configure_logging("info")
    if args.report_fd >= 0:
        return _as_background(cluster, args.report_fd)
    shown = _Shown(cluster, detached=args.detach)
    try:
        if args.detach:
            return up.start_detached(cluster, shown.report)
        uvloop.run(up.run(cluster, shown.report))
        print("Stopped.")
        return 0
    finally:
        shown.progress.close()


class _Shown:
    """Turns reports into what the user sees."""

    def __init__(self, cluster: ClusterConfig, *, detached: bool) -> None:
        self.progress = Progress(cluster)
        self._cluster = cluster
        self._detached = detached
        self._serving = False

    def report(self, said: dict[str, object]) -> None:
        ready = said.get("ready")
        if isinstance(ready, list) and not self._serving:
            self.progress.update(set(ready))
        if "serving" in said:
            self._serving = True
            self.progress.close()
            usage = how_to_use(
                self._cluster, str(said["serving"]), self.progress.elapsed, inside=bool(said["inside"])
            )
            print("\n" + usage)
            if not self._detached:
                print("Ctrl-C stops it.", flush=True)
        if "stopping" in said:
            self.progress.close()
            print("\nStopping …", flush=True)


def _as_background(cluster: ClusterConfig, descriptor: int) -> int:
    """What `up -d` starts: the same, but its reports go to the one that started it."""

    def report(said: dict[str, object]) -> None:
        nonlocal descriptor
        if descriptor < 0:
            return
        try:
            os.write(descriptor, json.dumps(said).encode() + b"\n")
        except OSError:
            said = {"serving": True}  # nobody reads any more
        if "serving" in said or "failed" in said:
            os.close(descriptor)
            descriptor = -1

    os.set_inheritable(descriptor, False)
    try:
        uvloop.run(up.run(cluster, report))
    except UserError as error:
        report({"failed": str(error)})
        return 1
    return 0


def _nodes(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65534:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65534")
    return int(text)
