"""kubectl config get-clusters."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """List the clusters of the kubeconfig."""
    session.out("NAME\n" + "".join(f"{name}\n" for name in sorted(session.config.clusters)))
    return 0


COMMAND = Command("config get-clusters", "Display clusters defined in the kubeconfig", run)
