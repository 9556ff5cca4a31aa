"""kubectl config set-context."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

_FIELDS = ("cluster", "user", "namespace")


def run(session: Session) -> int:
    """Make a context, or change it."""
    if session["current"] == bool(session.args) or len(session.args) > 1:
        raise UsageError(session.command, "you must specify a non-empty context name or --current")
    name = session.config.current_context if session["current"] else session.args[0]
    if not name:
        raise CommandError("no current context is set")
    given = {field: session[field] for field in _FIELDS if session.given(field)}

    def changed(content: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in {**content, **given}.items() if value}

    exists = change(session, "contexts", name, changed)
    session.out(f'Context "{name}" {"modified" if exists else "created"}.\n')
    return 0


COMMAND = Command(
    "config set-context [NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] "
    "[--namespace=namespace]",
    "Set a context entry in kubeconfig",
    run,
    (Flag("current", "Modify the current context", kind="bool"),),
    "kubectl config set-context --current --namespace=my-namespace",
)
