"""kubectl set: the parent of image."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "set SUBCOMMAND",
    "Configure application resources",
    children={"image": "set_image"},
)
