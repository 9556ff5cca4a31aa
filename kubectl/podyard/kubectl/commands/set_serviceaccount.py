"""kubectl set serviceaccount."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.podtemplates import SET_FLAGS, change, chosen, spec_of
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give pods another ServiceAccount."""
    if not session.args:
        raise CommandError("serviceaccount is required")
    *resources, name = session.args
    for info in chosen(session, resources):
        _, pointer = spec_of(info)
        operation = {"op": "add", "path": f"{pointer}/serviceAccountName", "value": name}
        change(session, info, [operation], "serviceaccount updated")
    return 0


COMMAND = Command(
    "set serviceaccount (-f FILENAME | TYPE NAME) SERVICE_ACCOUNT",
    "Update the service account of a resource",
    run,
    SET_FLAGS,
    "kubectl set serviceaccount deployment nginx-deployment serviceaccount1",
)
