"""kubectl create service nodeport."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.create_service_clusterip import TCP_FLAG, create_service
from podyard.kubectl.creating import CREATE_FLAGS
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Service that is reached at a port of every node."""
    if not session["tcp"]:
        raise CommandError("at least one tcp port specifier must be provided")
    create_service(session, "NodePort", {})
    return 0


COMMAND = Command(
    "create service nodeport NAME [--tcp=port:targetPort]",
    "Create a NodePort service with the specified name",
    run,
    (
        TCP_FLAG,
        Flag("node-port", "Port used to expose the service on each node in a cluster.", kind="int"),
        *CREATE_FLAGS,
    ),
    "kubectl create service nodeport my-ns --tcp=5678:8080",
)
