"""kubectl create role."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.rbac import RULE_FLAGS, VERSION, rules
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a Role with one rule an API group."""
    about = metadata(session, only_name(session))
    obj = {"apiVersion": VERSION, "kind": "Role", "metadata": about, "rules": rules(session)}
    create(session, obj, "failed to create role:")
    return 0


COMMAND = Command(
    "create role NAME --verb=verb --resource=resource.group/subresource",
    "Create a role with single rule",
    run,
    (*RULE_FLAGS, *CREATE_FLAGS),
    "kubectl create role pod-reader --verb=get --verb=list --resource=pods",
)
