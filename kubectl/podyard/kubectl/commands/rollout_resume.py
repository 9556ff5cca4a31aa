"""kubectl rollout resume."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.printers import OUTPUT_FLAGS
from podyard.kubectl.rollouts import change_each
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG
from podyard.kubectl.writing import manager_flag


def run(session: Session) -> int:
    """Carry out the changes that have waited."""
    return change_each(session, _resume, "resumed")


def _resume(obj: dict[str, Any]) -> dict[str, Any]:
    if obj["kind"] != "Deployment":
        raise CommandError("resuming is not supported")
    if not obj["spec"].get("paused"):
        raise CommandError("is not paused")
    return {"spec": {"paused": None}}


COMMAND = Command(
    "rollout resume RESOURCE",
    "Resume a paused resource",
    run,
    (*FILE_FLAGS, SELECTOR_FLAG, *OUTPUT_FLAGS, manager_flag("kubectl-rollout")),
    "kubectl rollout resume deployment/nginx",
)
