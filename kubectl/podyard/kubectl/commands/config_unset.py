"""kubectl config unset."""

from __future__ import annotations

from podyard.kubectl import kubeconfig
from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change, file_of, remove, set_current
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a value out of the kubeconfig."""
    if len(session.args) != 1:
        raise UsageError(session.command, f"Unexpected args: {session.args}")
    section, _, rest = session.args[0].partition(".")
    if session.args[0] == "current-context":
        set_current(session, "")
    elif section in kubeconfig.SECTIONS and rest:
        _unset(session, section, rest)
    else:
        raise CommandError(
            f"unset {session.args[0]}: expected current-context, or clusters, contexts or users with "
            ".NAME or .NAME.FIELD"
        )
    session.out(f'Property "{session.args[0]}" unset.\n')
    return 0


def _unset(session: Session, section: str, rest: str) -> None:
    known = session.config.section(section)
    if rest in known or "." not in rest:
        remove(session, section, rest)
        return
    name, _, field = rest.rpartition(".")
    if name not in known:
        raise CommandError(f'"{name or rest}" is not in the {section} of {file_of(session)}')
    change(session, section, name, lambda content: {k: v for k, v in content.items() if k != field})


COMMAND = Command(
    "config unset PROPERTY_NAME",
    "Unset an individual value in a kubeconfig file",
    run,
    (),
    "kubectl config unset current-context\nkubectl config unset contexts.foo.namespace",
)
