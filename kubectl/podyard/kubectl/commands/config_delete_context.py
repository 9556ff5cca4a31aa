"""kubectl config delete-context."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import delete, to_delete
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a context out of the kubeconfig."""
    name = to_delete(session, "contexts", session.config.contexts)
    if name == session.config.current_context:
        session.err(
            'warning: this removed your active context, use "kubectl config use-context" to select a '
            "different one\n"
        )
    delete(session, "contexts", name)
    return 0


COMMAND = Command(
    "config delete-context NAME",
    "Delete the specified context from the kubeconfig",
    run,
    (),
    "kubectl config delete-context minikube",
)
