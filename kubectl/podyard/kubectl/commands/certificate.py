"""kubectl certificate: the parent of approve and deny."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "certificate SUBCOMMAND",
    "Modify certificate resources",
    children={"approve": "certificate_approve", "deny": "certificate_deny"},
)
