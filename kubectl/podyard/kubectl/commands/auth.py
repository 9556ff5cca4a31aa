"""kubectl auth: the parent of can-i and whoami."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "auth SUBCOMMAND",
    "Inspect authorization",
    children={"can-i": "auth_can_i", "whoami": "auth_whoami"},
)
