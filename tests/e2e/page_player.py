"""Plays the tutorial's page in a cluster that runs: `python -m tests.e2e.page_player CLUSTER KUBECTL …`.

CLUSTER is its name, or `docker:CONTAINER` for one of docker compose, where "on a node" means in that
container. Prints what a user would see; exit status 1 when a step does not show what it should.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from podyard.cli.cluster import index
from podyard.cli.demo.page import PAGE
from podyard.cli.demo.player import Player, StepFailed
from podyard.cli.demo.stage import on_node, set_up


def main(cluster: str, kubectl: list[str]) -> int:
    """Play it as the user whose home directory knows the cluster."""
    home = Path(os.environ["HOME"])
    with tempfile.TemporaryDirectory(dir=home) as temporary:
        folder = Path(temporary)
        for known in (".podyard", ".kube"):
            (folder / known).symlink_to(home / known)
        env = set_up(folder, kubectl)
        player = Player(folder, env, _on_node(cluster), {"TMP": str(folder)}, _show)
        try:
            player.play(PAGE)
        except StepFailed as failure:
            print(f"\nFAILED {failure.command}\n{failure.why}")
            return 1
    return 0


def _on_node(cluster: str) -> Callable[[str], list[str]]:
    if cluster.startswith("docker:"):
        return lambda script: ["docker", "exec", cluster.removeprefix("docker:"), "sh", "-c", script]
    return on_node(index.require(cluster, None))


def _show(text: str) -> None:
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
