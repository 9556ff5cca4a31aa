"""kubectl options: the flags that every command takes."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.session import Session
from podyard.kubectl.usage import options


def run(session: Session) -> int:
    """List them."""
    session.out(options())
    return 0


COMMAND = Command("options", "List the flags that every command takes", run)
