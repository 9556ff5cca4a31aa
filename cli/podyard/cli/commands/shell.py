"""`podyard shell`: a shell where ClusterIPs, pod addresses and cluster DNS answer."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from podyard.cli.cluster import control, index
from podyard.cli.cluster.config import DEFAULT_NAME, ClusterConfig
from podyard.cli.rootless import namespace
from podyard.cli.rootless.enter import enter
from podyard.process.main import UserError
from podyard.process.namespaces import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard shell`."""
    parser.add_argument("node", nargs="?", default="node1", help="which node to be on (default: %(default)s)")
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="the cluster whose state lives here")
    parser.add_argument(
        "-c", dest="script", metavar="COMMAND", help="run this instead of an interactive shell"
    )


def command(args: argparse.Namespace) -> int:
    """Become $SHELL in the cluster's namespaces, with its DNS server in /etc/resolv.conf."""
    cluster = index.require(args.name, args.data_dir)
    if args.node not in cluster.node_names():
        raise UserError(f"there is no node {args.node!r}; there are {', '.join(cluster.node_names())}")
    if not control.running_pid(cluster.path):
        raise UserError(f"cluster {cluster.name} is not running; `podyard up` starts it")
    where = Path.cwd()
    held = namespace.find(cluster.path, args.node) or namespace.find(cluster.path)
    if held is not None:
        enter(held.pid)
    _use_cluster_dns(cluster)
    os.chdir(where)
    shell = os.environ.get("SHELL", "/bin/sh")
    os.environ["PS1"] = f"{args.node} $ "
    os.execvp(shell, [shell, "-c", args.script] if args.script else [shell, *_quiet(shell)])


def _quiet(shell: str) -> list[str]:
    """How to keep an interactive bash from replacing our prompt."""
    return ["--norc", "--noprofile"] if Path(shell).name == "bash" else []


def _use_cluster_dns(cluster: ClusterConfig) -> None:
    domain = cluster.cluster_domain
    text = (
        f"nameserver {cluster.dns_ip}\nsearch default.svc.{domain} svc.{domain} {domain}\noptions ndots:5\n"
    )
    try:
        unshare(CLONE_NEWNS)
        mount("none", "/", MS_REC | MS_PRIVATE)
        with tempfile.NamedTemporaryFile("w", prefix="podyard-resolv-") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            mount(file.name, str(Path("/etc/resolv.conf").resolve()), MS_BIND)
    except OSError as error:
        raise UserError(f"the shell cannot have a resolv.conf of its own: {error.strerror}") from None
