"""Where a transcript is played: a folder with the page's files, an environment, programs that are there."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.rootless import namespace
from podyard.kubelet import programs
from podyard.process.main import UserError

FILES = ("run-my-nginx.yaml", "nginx-svc.yaml", "nginx-secure-app.yaml", "curlpod.yaml", "Makefile")
PODYARD = [sys.executable, "-m", "podyard.cli"]

_EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
_STAND_INS = {
    "curl": [sys.executable, "-I", "-S", str(Path(programs.__file__).with_name("curl") / "__main__.py")],
    "openssl": [sys.executable, "-m", "podyard.cli.demo.openssl"],
}
_NOT_OURS = ("KUBECONFIG", "KUBE_EDITOR", "EDITOR", "CURL_HOME", "SHELL", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")


def set_up(folder: Path, kubectl: list[str]) -> dict[str, str]:
    """Put the page's files into `folder`, a home directory; give the environment for commands.

    In it `kubectl` is the given command, and what this machine lacks of curl and openssl is stood in for.
    """
    if not _EXAMPLES.is_dir():
        raise UserError(f"the page's manifests are not there: {_EXAMPLES} (run this in a clone of podyard)")
    for name in FILES:
        shutil.copyfile(_EXAMPLES / name, folder / name)
    (folder / ".curlrc").write_text("no-progress-meter\n")  # as on a terminal
    commands = folder / "bin"
    commands.mkdir()
    _command(commands / "kubectl", kubectl)
    for name, stand_in in _STAND_INS.items():
        if shutil.which(name) is None:
            _command(commands / name, stand_in)
    unwanted = {name for name in os.environ if name.lower().endswith("_proxy")} | {*_NOT_OURS}
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    path = f"{commands}:{os.environ.get('PATH', os.defpath)}"
    return {**env, "HOME": str(folder), "PATH": path, "SHELL": "/bin/sh", "TERM": "xterm"}


def on_node(cluster: ClusterConfig) -> Callable[[str], list[str]]:
    """How to run a script on a node: there, when the cluster has namespaces of its own."""
    if namespace.find(cluster.path) is None:
        return lambda script: ["/bin/sh", "-c", script]
    return lambda script: [*PODYARD, "shell", "--name", cluster.name, "-c", script]


def _command(file: Path, command: list[str]) -> None:
    file.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    file.chmod(0o755)
