"""kubectl config delete-cluster."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import delete, to_delete
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a cluster out of the kubeconfig."""
    name = to_delete(session, "clusters", session.config.clusters)
    delete(session, "clusters", name)
    return 0


COMMAND = Command(
    "config delete-cluster NAME",
    "Delete the specified cluster from the kubeconfig",
    run,
    (),
    "kubectl config delete-cluster minikube",
)
