"""What one sync of a Deployment does (syncDeployment). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from podyard.api.objects import find_condition
from podyard.controllers.deployment import status as statuses
from podyard.controllers.deployment.revisions import REVISION
from podyard.controllers.deployment.rollout import Rollout
from podyard.controllers.deployment.sizes import DESIRED_REPLICAS, active, annotated, is_rolling, size
from podyard.controllers.meta import Object, annotations_of, is_terminating, status_of
from podyard.controllers.pods import is_finished


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, in this order: `create`, `update`, `delete` (ReplicaSets), then the Deployment."""

    status: Object
    create: Object | None = None
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    revision: str = ""  # the Deployment's revision annotation, when it has to change
    events: list[tuple[str, str, str]] = field(default_factory=list)  # (type, reason, message)
    again_in: float | None = None  # seconds until it has to be looked at again


def plan(
    deployment: Object, sets: Sequence[Object], pods: Mapping[str, Sequence[Object]], now: float
) -> Plan:
    """Decide. `sets` are the ReplicaSets it owns, `pods` their pods by the ReplicaSet's uid."""
    if is_terminating(deployment):
        new = Rollout(deployment, sets).new
        status = statuses.calculate(deployment, sets, new, now)
        return Plan(statuses.finished(status))
    deployment = _note_pause(deployment, now)
    rollout = Rollout(deployment, sets)
    delete: list[Object] = []
    paused = bool(deployment["spec"].get("paused"))
    if paused or _is_scaling(deployment, sets):
        rollout.scale()
        if paused:
            delete = rollout.superfluous()
        status = statuses.calculate(deployment, rollout.sets, rollout.new, now)
    else:
        if is_rolling(deployment):
            scaled = rollout.rolling()
        else:
            scaled = rollout.recreate(_live_pods_of_old(rollout, pods))
        if not scaled and statuses.is_complete(deployment, status_of(deployment)):
            delete = rollout.superfluous()
        deployment = _note_new_set(deployment, rollout, now)
        status = statuses.calculate(deployment, rollout.sets, rollout.new, now)
        statuses.progress(deployment, status, rollout.sets, rollout.new, now)
    number = annotations_of(rollout.new).get(REVISION, "") if rollout.new else ""
    finished = statuses.finished(status)
    return Plan(
        status=finished,
        create=rollout.new if rollout.created else None,
        update=rollout.changed,
        delete=delete,
        revision=number if number != annotations_of(deployment).get(REVISION, "") else "",
        events=rollout.events,
        again_in=None if paused else statuses.deadline_in(deployment, finished, now),
    )


def _is_scaling(deployment: Object, sets: Sequence[Object]) -> bool:
    """Whether spec.replicas has changed since the ReplicaSets were sized."""
    noted = (annotated(rs, DESIRED_REPLICAS) for rs in active(sets))
    return any(number is not None and number != size(deployment) for number in noted)


def _live_pods_of_old(rollout: Rollout, pods: Mapping[str, Sequence[Object]]) -> list[Object]:
    new = rollout.new["metadata"]["uid"] if rollout.new else ""
    return [pod for uid, owned in pods.items() if uid != new for pod in owned if not is_finished(pod)]


def _with_progressing(deployment: Object, status: str, reason: str, message: str, now: float) -> Object:
    old = status_of(deployment)
    verdict = statuses.condition("Progressing", status, reason, message, now)
    conditions = statuses.with_condition(old.get("conditions") or [], verdict)
    return {**deployment, "status": {**old, "conditions": conditions}}


def _note_pause(deployment: Object, now: float) -> Object:
    """Say in the Progressing condition that it was paused or resumed (checkPausedConditions)."""
    if not statuses.has_deadline(deployment):
        return deployment
    current = find_condition(status_of(deployment).get("conditions"), "Progressing") or {}
    paused, noted = bool(deployment["spec"].get("paused")), current.get("reason") == "DeploymentPaused"
    if current.get("reason") == "ProgressDeadlineExceeded" or paused == noted:
        return deployment
    reason, message = (
        ("DeploymentPaused", "Deployment is paused")
        if paused
        else ("DeploymentResumed", "Deployment is resumed")
    )
    return _with_progressing(deployment, "Unknown", reason, message, now)


def _note_new_set(deployment: Object, rollout: Rollout, now: float) -> Object:
    """Say in the Progressing condition that the new ReplicaSet was made or found."""
    if not statuses.has_deadline(deployment) or rollout.new is None:
        return deployment
    name = rollout.new["metadata"]["name"]
    if rollout.created:
        message = f'Created new replica set "{name}"'
        return _with_progressing(deployment, "True", "NewReplicaSetCreated", message, now)
    if find_condition(status_of(deployment).get("conditions"), "Progressing") is None:
        message = f'Found new replica set "{name}"'
        return _with_progressing(deployment, "True", "FoundNewReplicaSet", message, now)
    return deployment
