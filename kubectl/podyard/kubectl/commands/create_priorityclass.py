"""kubectl create priorityclass."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a PriorityClass."""
    obj: dict[str, Any] = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": metadata(session, only_name(session), namespaced=False),
        "preemptionPolicy": session["preemption-policy"],
        "value": session["value"],
    }
    if session["global-default"]:
        obj["globalDefault"] = True
    if session["description"]:
        obj["description"] = session["description"]
    create(session, obj, "failed to create priorityclass:")
    return 0


COMMAND = Command(
    "create priorityclass NAME --value=VALUE --global-default=BOOL",
    "Create a priority class with the specified name",
    run,
    (
        Flag("value", "the value of this priority class.", kind="int"),
        Flag("global-default", "whether this is the default priority.", kind="bool"),
        Flag("description", "what this priority class is for."),
        Flag(
            "preemption-policy",
            "the policy for preempting pods with lower priority.",
            default="PreemptLowerPriority",
        ),
        *CREATE_FLAGS,
    ),
    "kubectl create priorityclass high-priority --value=1000",
)
