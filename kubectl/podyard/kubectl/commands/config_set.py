"""kubectl config set."""

from __future__ import annotations

from podyard.kubectl import kubeconfig
from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change, set_current
from podyard.kubectl.configtypes import parse
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Set one value of the kubeconfig."""
    if len(session.args) != 2:
        raise UsageError(session.command, f"Unexpected args: {session.args}")
    path, value = session.args
    section, _, rest = path.partition(".")
    name, _, field = rest.rpartition(".")
    if path == "current-context":
        set_current(session, value)
    elif section in kubeconfig.SECTIONS and name:
        try:
            parsed = parse(section, field, value)
        except ValueError as error:
            raise CommandError(f"set {path}: {error}") from None
        change(session, section, name, lambda content: {**content, field: parsed})
    else:
        raise CommandError(
            f"set {path}: expected current-context, or clusters, contexts or users with .NAME.FIELD"
        )
    session.out(f'Property "{path}" set.\n')
    return 0


COMMAND = Command(
    "config set PROPERTY_NAME PROPERTY_VALUE",
    "Set an individual value in a kubeconfig file",
    run,
    (),
    "kubectl config set clusters.my-cluster.server https://1.2.3.4",
)
