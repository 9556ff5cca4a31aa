"""kubectl create service externalname."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.create_service_clusterip import TCP_FLAG, create_service
from podyard.kubectl.creating import CREATE_FLAGS
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Service that stands for a name outside of the cluster."""
    create_service(session, "ExternalName", {"externalName": session["external-name"]})
    return 0


COMMAND = Command(
    "create service externalname NAME --external-name external.name",
    "Create an ExternalName service with the specified name",
    run,
    (TCP_FLAG, Flag("external-name", "External name of service", required=True), *CREATE_FLAGS),
    "kubectl create service externalname my-ns --external-name bar.com",
)
