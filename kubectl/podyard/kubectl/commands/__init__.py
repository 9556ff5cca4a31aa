"""The commands, one module each.

A module has `COMMAND`, a `Command`: its flags and `run(session)`, which writes to the session and
raises CommandError; the status is 0 unless it gives another. A command with `children` is only the
parent of others (`kubectl rollout status`). Modules are imported when they are called for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

Run = Callable[[Session], int | None]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `usage` is what follows "kubectl"; `children` names sub-commands' modules."""

    usage: str
    short: str
    run: Run | None = None
    flags: tuple[Flag, ...] = ()
    example: str = ""
    children: Mapping[str, str] = field(default_factory=dict)


COMMANDS: Mapping[str, tuple[str, str]] = {
    "get": ("get", "Display one or many resources"),
    "delete": ("delete", "Delete resources by file names, stdin, resources and names, or by label"),
    "scale": ("scale", "Set a new size for a deployment, replica set, or replication controller"),
    "apply": ("apply", "Apply a configuration to a resource by file name or stdin"),
}
"""Name: module and what it does."""


def load(module: str) -> Command:
    """The command of a module of this package."""
    found: Command = importlib.import_module(f"{__name__}.{module}").COMMAND
    return found
