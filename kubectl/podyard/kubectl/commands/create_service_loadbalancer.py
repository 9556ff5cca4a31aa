"""kubectl create service loadbalancer."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.create_service_clusterip import TCP_FLAG, create_service
from podyard.kubectl.creating import CREATE_FLAGS
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Service with an address for the outside."""
    if not session["tcp"]:
        raise CommandError("at least one tcp port specifier must be provided")
    create_service(session, "LoadBalancer", {})
    return 0


COMMAND = Command(
    "create service loadbalancer NAME [--tcp=port:targetPort]",
    "Create a LoadBalancer service with the specified name",
    run,
    (TCP_FLAG, *CREATE_FLAGS),
    "kubectl create service loadbalancer my-lbs --tcp=5678:8080",
)
