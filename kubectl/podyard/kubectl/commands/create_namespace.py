"""kubectl create namespace."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a namespace."""
    name = only_name(session)
    obj = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata(session, name, namespaced=False),
        "spec": {},
        "status": {},
    }
    create(session, obj, "")
    return 0


COMMAND = Command(
    "create namespace NAME",
    "Create a namespace with the specified name",
    run,
    CREATE_FLAGS,
    "kubectl create namespace my-namespace",
)
