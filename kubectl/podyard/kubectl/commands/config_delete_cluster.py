"""kubectl config delete-cluster."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import file_of, remove
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Take a cluster out of the kubeconfig."""
    if len(session.args) != 1:
        raise UsageError(session.command, "you must specify the cluster to delete")
    name = session.args[0]
    if name not in session.config.clusters:
        raise CommandError(f"cannot delete cluster {name}, not in {file_of(session)}")
    path = remove(session, "clusters", name)
    session.out(f"deleted cluster {name} from {path}\n")
    return 0


COMMAND = Command(
    "config delete-cluster NAME",
    "Delete the specified cluster from the kubeconfig",
    run,
    (),
    "kubectl config delete-cluster minikube",
)
