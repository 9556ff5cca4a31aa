"""kubectl config delete-user."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import file_of, remove
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a user out of the kubeconfig."""
    if len(session.args) != 1:
        raise UsageError(session.command, "you must specify the user to delete")
    name = session.args[0]
    if name not in session.config.users:
        raise CommandError(f"cannot delete user {name}, not in {file_of(session)}")
    path = remove(session, "users", name)
    session.out(f"deleted user {name} from {path}\n")
    return 0


COMMAND = Command(
    "config delete-user NAME",
    "Delete the specified user from the kubeconfig",
    run,
    (),
    "kubectl config delete-user minikube",
)
