"""kubectl api-versions."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """List the groups and versions of the server."""
    if session.args:
        raise UsageError(session.command, f"unexpected arguments: [{' '.join(session.args)}]")
    found = sorted({one.group_version for one in session.discovery.all})
    session.out("".join(f"{version}\n" for version in found))
    return 0


COMMAND = Command("api-versions", 'Print the supported API versions, in the form of "group/version"', run)
