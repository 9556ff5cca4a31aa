"""kubectl rollout undo. Source: k8s.io/kubectl pkg/polymorphichelpers/rollback.go."""

from __future__ import annotations

from typing import Any

from podyard.kubectl import replicasets
from podyard.kubectl.commands import Command
from podyard.kubectl.commands.rollout_history import describe_template
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.rollouts import targets
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG
from podyard.kubectl.writing import LAST_APPLIED, Writer

_KEPT = (
    LAST_APPLIED,
    replicasets.REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
"""Annotations that are the Deployment's own, and not part of a revision."""


def run(session: Session) -> int:
    """Go back to an earlier revision."""
    if session["to-revision"] < 0:
        raise CommandError(f"unable to find specified revision {session['to-revision']} in history")
    for info in targets(session).all():
        session.out(printer_for(session, _undo(session, info))(info.object))
    return 0


def _undo(session: Session, info: Info) -> str:
    """Go back, and say what was done. Raises CommandError."""
    if info.resource.kind != "Deployment":
        group = f".{info.resource.group}" if info.resource.group else ""
        raise CommandError(f'no rollbacker has been implemented for "{info.resource.kind}{group}"')
    deployment, number = info.object, session["to-revision"]
    target = _revision(replicasets.owned(session, deployment), number, info.name)
    if dry_run(session) == "client":
        return describe_template(target["spec"]["template"])
    if deployment["spec"].get("paused"):
        raise CommandError(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and "
            "try again"
        )
    template = replicasets.without_hash(target["spec"]["template"])
    if template == replicasets.without_hash(deployment["spec"]["template"]):
        return f"skipped rollback (current template already matches revision {number})"
    own = deployment["metadata"].get("annotations") or {}
    theirs = target["metadata"].get("annotations") or {}
    annotations: dict[str, Any] = {key: own[key] for key in _KEPT if key in own}
    annotations |= {key: value for key, value in theirs.items() if key not in _KEPT}
    patch = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/metadata/annotations", "value": annotations},
    ]
    try:
        Writer(session, dry_run(session)).patch(info, "json", patch)
    except CommandError as error:
        raise CommandError(f"failed restoring revision {number}: {error}") from None
    return "rolled back"


def _revision(sets: list[dict[str, Any]], number: int, name: str) -> dict[str, Any]:
    """The revision with a number; for 0 the one before the newest. Raises CommandError."""
    by_number = sorted(sets, key=replicasets.revision)
    if number > 0:
        for one in by_number:
            if replicasets.revision(one) == number:
                return one
        raise CommandError(f"unable to find specified revision {number} in history")
    if len(by_number) < 2:
        raise CommandError(f'no rollout history found for deployment "{name}"')
    return by_number[-2]


COMMAND = Command(
    "rollout undo (TYPE NAME | TYPE/NAME) [flags]",
    "Undo a previous rollout",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        Flag("to-revision", "The revision to rollback to. Default to 0 (last revision).", kind="int"),
    ),
    "kubectl rollout undo deployment/abc --to-revision=3",
)
