"""kubectl config rename-context."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change, file_of, remove, set_current
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give a context another name."""
    if len(session.args) != 2:
        raise UsageError(session.command, "you must specify both the old and the new name of the context")
    old, new = session.args
    contexts, path = session.config.contexts, file_of(session)
    if old not in contexts:
        raise CommandError(f'cannot rename the context "{old}", it\'s not in {path}')
    if new in contexts:
        raise CommandError(f'cannot rename the context "{old}", the context "{new}" already exists in {path}')
    remove(session, "contexts", old)
    change(session, "contexts", new, lambda _: contexts[old])
    if session.config.current_context == old:
        set_current(session, new)
    session.out(f'Context "{old}" renamed to "{new}".\n')
    return 0


COMMAND = Command(
    "config rename-context CONTEXT_NAME NEW_NAME",
    "Rename a context from the kubeconfig file",
    run,
    (),
    "kubectl config rename-context old-name new-name",
)
