"""kubectl config current-context."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Show which context is current."""
    if not session.config.current_context:
        raise CommandError("current-context is not set")
    session.out(f"{session.config.current_context}\n")
    return 0


COMMAND = Command("config current-context", "Display the current-context", run)
