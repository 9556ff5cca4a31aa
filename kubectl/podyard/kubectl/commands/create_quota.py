"""kubectl create quota."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.set_resources import parse_amounts
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a ResourceQuota."""
    spec: dict[str, Any] = {"hard": parse_amounts(session["hard"])} if session["hard"] else {}
    if session["scopes"]:
        spec["scopes"] = session["scopes"].split(",")
    about = metadata(session, only_name(session))
    obj = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": about, "spec": spec, "status": {}}
    create(session, obj, "failed to create quota:")
    return 0


COMMAND = Command(
    "create quota NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]",
    "Create a quota with the specified name",
    run,
    (
        Flag("hard", "A comma-delimited set of resource=quantity pairs that define a hard limit."),
        Flag("scopes", "A comma-delimited set of quota scopes."),
        *CREATE_FLAGS,
    ),
    "kubectl create quota my-quota --hard=cpu=1,memory=1G,pods=2",
)
