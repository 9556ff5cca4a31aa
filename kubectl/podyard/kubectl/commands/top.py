"""kubectl top: refused, for there are no metrics."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Say that there are no metrics."""
    raise CommandError("Metrics API not available")


COMMAND = Command("top (node | pod)", "Display resource (CPU/memory) usage: not available", run)
