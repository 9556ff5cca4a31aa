"""kubectl set: the parent of the commands that change one thing of an object."""

from __future__ import annotations

from podyard.kubectl.commands import Command

COMMAND = Command(
    "set SUBCOMMAND",
    "Configure application resources",
    children={
        "env": "set_env",
        "image": "set_image",
        "resources": "set_resources",
        "selector": "set_selector",
        "serviceaccount": "set_serviceaccount",
        "sa": "set_serviceaccount",
    },
)
