"""kubectl create rolebinding."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.rbac import GROUP, SUBJECT_FLAGS, VERSION, subjects
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Give a role to users, groups and ServiceAccounts in one namespace."""
    name = only_name(session)
    if bool(session["role"]) == bool(session["clusterrole"]):
        raise CommandError("exactly one of clusterrole or role must be specified")
    kind = "Role" if session["role"] else "ClusterRole"
    obj = {
        "apiVersion": VERSION,
        "kind": "RoleBinding",
        "metadata": metadata(session, name),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": session["role"] or session["clusterrole"]},
        "subjects": subjects(session),
    }
    create(session, obj, "failed to create rolebinding:")
    return 0


COMMAND = Command(
    "create rolebinding NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname]",
    "Create a role binding for a particular role or cluster role",
    run,
    (
        Flag("role", "Role this RoleBinding should reference"),
        Flag("clusterrole", "ClusterRole this RoleBinding should reference"),
        *SUBJECT_FLAGS,
        *CREATE_FLAGS,
    ),
    "kubectl create rolebinding admin --clusterrole=admin --user=user1",
)
