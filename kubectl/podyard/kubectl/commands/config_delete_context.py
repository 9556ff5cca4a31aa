"""kubectl config delete-context."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import file_of, remove
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a context out of the kubeconfig."""
    if len(session.args) != 1:
        raise UsageError(session.command, "you must specify the context to delete")
    name = session.args[0]
    if name not in session.config.contexts:
        path = file_of(session)
        raise CommandError(f"cannot delete context {name}, not in {path}")
    if name == session.config.current_context:
        session.err(
            'warning: this removed your active context, use "kubectl config use-context" to select a '
            "different one\n"
        )
    path = remove(session, "contexts", name)
    session.out(f"deleted context {name} from {path}\n")
    return 0


COMMAND = Command(
    "config delete-context NAME",
    "Delete the specified context from the kubeconfig",
    run,
    (),
    "kubectl config delete-context minikube",
)
