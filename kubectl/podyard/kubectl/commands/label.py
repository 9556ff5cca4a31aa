"""kubectl label."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.pairs import change_map, map_flags
from podyard.kubectl.session import Session
from podyard.kubectl.writing import manager_flag


def run(session: Session) -> int:
    """Set and remove labels."""
    return change_map(session, "label")


COMMAND = Command(
    "label [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update the labels on a resource",
    run,
    map_flags("label", manager_flag("kubectl-label")),
    "kubectl label pods foo unhealthy=true\nkubectl label pods foo bar-",
)
