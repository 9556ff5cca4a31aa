"""kubectl config use-context."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import set_current
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Choose the current context."""
    if len(session.args) != 1 or not session.args[0]:
        raise UsageError(session.command, "you must specify a current-context")
    name = session.args[0]
    if name not in session.config.contexts:
        raise CommandError(f'no context exists with the name: "{name}"')
    set_current(session, name)
    session.out(f'Switched to context "{name}".\n')
    return 0


COMMAND = Command(
    "config use-context CONTEXT_NAME",
    "Set the current-context in a kubeconfig file",
    run,
    (),
    "kubectl config use-context minikube",
)
