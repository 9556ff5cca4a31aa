"""kubectl config get-users."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """List the users of the kubeconfig."""
    session.out("NAME\n" + "".join(f"{name}\n" for name in sorted(session.config.users)))
    return 0


COMMAND = Command("config get-users", "Display users defined in the kubeconfig", run)
