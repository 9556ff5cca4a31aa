"""kubectl create serviceaccount."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a service account."""
    obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(session, only_name(session))}
    create(session, obj, "failed to create serviceaccount:")
    return 0


COMMAND = Command(
    "create serviceaccount NAME",
    "Create a service account with the specified name",
    run,
    CREATE_FLAGS,
    "kubectl create serviceaccount my-service-account",
)
