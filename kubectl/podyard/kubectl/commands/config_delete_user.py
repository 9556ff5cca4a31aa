"""kubectl config delete-user."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import delete, to_delete
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a user out of the kubeconfig."""
    name = to_delete(session, "users", session.config.users)
    delete(session, "users", name)
    return 0


COMMAND = Command(
    "config delete-user NAME",
    "Delete the specified user from the kubeconfig",
    run,
    (),
    "kubectl config delete-user minikube",
)
