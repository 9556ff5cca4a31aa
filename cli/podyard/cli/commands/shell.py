"""`podyard shell`: a shell where ClusterIPs, pod addresses and cluster DNS answer."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from podyard.cli import flags
from podyard.cli.cluster import control, index
from podyard.cli.joining import node_config
from podyard.cli.joining.node_config import NodeConfig
from podyard.cli.rootless import namespace
from podyard.cli.rootless.enter import enter
from podyard.process.main import UserError
from podyard.process.namespaces import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `podyard shell`."""
    parser.add_argument(
        "node",
        nargs="?",
        default="",
        help="which node to be on (default: this host if it has joined, or node1)",
    )
    flags.add_cluster(parser)
    parser.add_argument(
        "-c", dest="script", metavar="COMMAND", help="run this instead of an interactive shell"
    )


def command(args: argparse.Namespace) -> int:
    """Become $SHELL on a node, with the cluster's DNS server in its /etc/resolv.conf."""
    joined = node_config.load(index.place_of(args.name, args.data_dir))
    where = Path.cwd()
    name = _on_joined(joined, args.node) if joined else _on_own(args)
    os.chdir(where)
    shell = os.environ.get("SHELL", "/bin/sh")
    os.environ["PS1"] = f"{name} $ "
    os.execvp(shell, [shell, "-c", args.script] if args.script else [shell, *_quiet(shell)])


def _on_joined(node: NodeConfig, wanted: str) -> str:
    """Be on this host, which has joined; give its name."""
    if wanted not in ("", node.node_name):
        raise UserError(f"this host is node {node.node_name}, not {wanted}")
    if not control.running_pid(node.path):
        raise UserError(f"node {node.node_name} is not running; `podyard join` starts it")
    _use_cluster_dns(node.settings.cluster_dns, node.settings.cluster_domain)
    return node.node_name


def _on_own(args: argparse.Namespace) -> str:
    """Be on a node of a cluster of this host; give its name."""
    cluster = index.require(args.name, args.data_dir)
    if cluster.advertise:
        raise UserError(f"the nodes of cluster {cluster.name} are other hosts: `podyard shell` there")
    name = args.node or "node1"
    if name not in cluster.node_names():
        raise UserError(f"there is no node {name!r}; there are {', '.join(cluster.node_names())}")
    if not control.running_pid(cluster.path):
        raise UserError(f"cluster {cluster.name} is not running; `podyard up` starts it")
    held = namespace.find(cluster.path, name) or namespace.find(cluster.path)
    if held is not None:
        enter(held.pid)
    _use_cluster_dns(cluster.dns_ip, cluster.cluster_domain)
    return name


def _quiet(shell: str) -> list[str]:
    """How to keep an interactive bash from replacing our prompt."""
    return ["--norc", "--noprofile"] if Path(shell).name == "bash" else []


def _use_cluster_dns(server: str, domain: str) -> None:
    text = f"nameserver {server}\nsearch default.svc.{domain} svc.{domain} {domain}\noptions ndots:5\n"
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
