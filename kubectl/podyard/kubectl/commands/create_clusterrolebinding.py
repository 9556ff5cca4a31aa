"""kubectl create clusterrolebinding."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.rbac import GROUP, SUBJECT_FLAGS, VERSION, subjects
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give a ClusterRole to users, groups and ServiceAccounts everywhere."""
    obj = {
        "apiVersion": VERSION,
        "kind": "ClusterRoleBinding",
        "metadata": metadata(session, only_name(session), namespaced=False),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": session["clusterrole"]},
        "subjects": subjects(session),
    }
    create(session, obj, "failed to create clusterrolebinding:")
    return 0


COMMAND = Command(
    "create clusterrolebinding NAME --clusterrole=NAME [--user=username] [--group=groupname]",
    "Create a cluster role binding for a particular cluster role",
    run,
    (
        Flag("clusterrole", "ClusterRole this ClusterRoleBinding should reference", required=True),
        *SUBJECT_FLAGS,
        *CREATE_FLAGS,
    ),
    "kubectl create clusterrolebinding cluster-admin --clusterrole=cluster-admin --user=user1",
)
