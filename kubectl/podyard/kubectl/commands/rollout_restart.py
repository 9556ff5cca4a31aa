"""kubectl rollout restart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.printers import OUTPUT_FLAGS
from podyard.kubectl.rollouts import TEMPLATES, change_each
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG
from podyard.kubectl.writing import manager_flag

_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def run(session: Session) -> int:
    """Replace all pods by new ones, as an update does."""
    return change_each(session, _restart, "restarted")


def _restart(obj: dict[str, Any]) -> dict[str, Any]:
    if obj["kind"] not in TEMPLATES:
        raise CommandError("restarting is not supported")
    if obj["spec"].get("paused"):
        raise CommandError("can't restart paused deployment (run rollout resume first)")
    now = datetime.now().astimezone().isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"spec": {"template": {"metadata": {"annotations": {_RESTARTED_AT: now}}}}}


COMMAND = Command(
    "rollout restart RESOURCE",
    "Restart a resource",
    run,
    (*FILE_FLAGS, SELECTOR_FLAG, *OUTPUT_FLAGS, manager_flag("kubectl-rollout")),
    "kubectl rollout restart deployment/nginx",
)
