"""Plays the tutorial's page in a cluster that runs: `python -m tests.e2e.page_player CLUSTER KUBECTL …`.

Prints what a user would see; exit status 1 when a step does not show what it should.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from podyard.cli.cluster import index
from podyard.cli.demo.page import PAGE
from podyard.cli.demo.player import Player, StepFailed
from podyard.cli.demo.stage import on_node, set_up


def main(name: str, kubectl: list[str]) -> int:
    """Play it as the user whose home directory knows the cluster."""
    home = Path(os.environ["HOME"])
    cluster = index.require(name, None)
    with tempfile.TemporaryDirectory(dir=home) as temporary:
        folder = Path(temporary)
        for known in (".podyard", ".kube"):
            (folder / known).symlink_to(home / known)
        player = Player(
            folder,
            set_up(folder, kubectl),
            on_node(cluster),
            {"TMP": str(folder)},
            lambda text: print(text, end=""),
        )
        try:
            player.play(PAGE)
        except StepFailed as failure:
            print(f"\nFAILED {failure.command}\n{failure.why}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
