"""kubectl annotate."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.pairs import change_map, map_flags
from podyard.kubectl.session import Session
from podyard.kubectl.writing import manager_flag


def run(session: Session) -> int:
    """Set and remove annotations."""
    return change_map(session, "annotation")


COMMAND = Command(
    "annotate [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update the annotations on a resource",
    run,
    map_flags("annotation", manager_flag("kubectl-annotate")),
    "kubectl annotate pods foo description='my frontend'",
)
