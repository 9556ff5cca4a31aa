"""kubectl rollout pause."""

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
    """Let changes of a Deployment wait."""
    return change_each(session, _pause, "paused")


def _pause(obj: dict[str, Any]) -> dict[str, Any]:
    if obj["kind"] != "Deployment":
        raise CommandError("pausing is not supported")
    if obj["spec"].get("paused"):
        raise CommandError("is already paused")
    return {"spec": {"paused": True}}


COMMAND = Command(
    "rollout pause RESOURCE",
    "Mark the provided resource as paused",
    run,
    (*FILE_FLAGS, SELECTOR_FLAG, *OUTPUT_FLAGS, manager_flag("kubectl-rollout")),
    "kubectl rollout pause deployment/nginx",
)
