"""A Deployment's status and its conditions. Pure.

Source: pkg/controller/deployment/progress.go, sync.go, util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from podyard.api.objects import find_condition
from podyard.api.times import from_rfc3339, to_rfc3339
from podyard.controllers.deployment.sizes import counted, max_unavailable, size, total
from podyard.controllers.meta import Object, status_of, without_zeros

NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of this value means that there is none."""


def has_deadline(deployment: Object) -> bool:
    """Whether a rollout that makes no progress is to be reported."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return seconds is not None and seconds != NO_DEADLINE


def condition(type_: str, status: str, reason: str, message: str, now: float) -> Object:
    """A condition that changes now."""
    time = to_rfc3339(now)
    return {
        "type": type_,
        "status": status,
        "lastUpdateTime": time,
        "lastTransitionTime": time,
        "reason": reason,
        "message": message,
    }


def with_condition(conditions: Sequence[Object], new: Object) -> list[Object]:
    """The list with `new` in it; one that says the same already stays as it is."""
    current = find_condition(conditions, new["type"])
    if current and (current["status"], current.get("reason")) == (new["status"], new["reason"]):
        return list(conditions)
    if current and current["status"] == new["status"]:
        new = {**new, "lastTransitionTime": current["lastTransitionTime"]}
    return [*without_condition(conditions, new["type"]), new]


def without_condition(conditions: Sequence[Object], type_: str) -> list[Object]:
    """The list without the condition of a type."""
    return [c for c in conditions if c["type"] != type_]


def calculate(deployment: Object, sets: Sequence[Object], new: Object | None, now: float) -> Object:
    """Counters and the Available condition; other conditions are taken over (calculateStatus)."""
    old = status_of(deployment)
    available = counted(sets, "availableReplicas")
    if available >= size(deployment) - max_unavailable(deployment):
        verdict = condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now
        )
    else:
        verdict = condition(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        )
    return {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": counted(sets, "replicas"),
        "updatedReplicas": counted([new], "replicas") if new else 0,
        "readyReplicas": counted(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(total(sets) - available, 0),
        "terminatingReplicas": counted(sets, "terminatingReplicas"),
        "collisionCount": old.get("collisionCount"),
        "conditions": with_condition(old.get("conditions") or [], verdict),
    }


def finished(status: Object) -> Object:
    """A status as it is stored, without the counters that are 0."""
    return without_zeros(status, keep=("terminatingReplicas",))


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether every pod is updated and available (DeploymentComplete)."""
    wanted = size(deployment)
    return (
        (status.get("updatedReplicas") or 0) == wanted
        and (status.get("replicas") or 0) == wanted
        and (status.get("availableReplicas") or 0) == wanted
        and (status.get("observedGeneration") or 0) >= deployment["metadata"].get("generation", 0)
    )


def _progressed(old: Object, new: Object) -> bool:
    def count(status: Object, counter: str) -> int:
        return status.get(counter) or 0

    def outdated(status: Object) -> int:
        return count(status, "replicas") - count(status, "updatedReplicas")

    return outdated(new) < outdated(old) or any(
        count(new, counter) > count(old, counter)
        for counter in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _timed_out(deployment: Object, current: Object | None, now: float) -> bool:
    if current is None or current.get("reason") == "NewReplicaSetAvailable":
        return False
    if current.get("reason") == "ProgressDeadlineExceeded":
        return True
    since = from_rfc3339(current["lastUpdateTime"])
    return bool(since + deployment["spec"]["progressDeadlineSeconds"] < now)


def progress(
    deployment: Object, status: Object, sets: Sequence[Object], new: Object | None, now: float
) -> None:
    """Set Progressing and ReplicaFailure in a new status (syncRolloutStatus)."""
    conditions = status["conditions"]
    if not has_deadline(deployment):
        conditions = without_condition(conditions, "Progressing")
    else:
        conditions = _progressing(deployment, status, conditions, new, now)
    failure = _replica_failure(sets, new)
    conditions = without_condition(conditions, "ReplicaFailure") if failure is None else conditions
    status["conditions"] = with_condition(conditions, failure) if failure else conditions


def _progressing(
    deployment: Object, status: Object, conditions: Sequence[Object], new: Object | None, now: float
) -> list[Object]:
    current = find_condition(conditions, "Progressing")
    reason = (current or {}).get("reason")
    if status["replicas"] == status["updatedReplicas"] and reason == "NewReplicaSetAvailable":
        return list(conditions)
    subject = (
        f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    )

    def verdict(status: str, reason: str, text: str) -> Object:
        return condition("Progressing", status, reason, f"{subject} {text}", now)

    if is_complete(deployment, status):
        done = verdict("True", "NewReplicaSetAvailable", "has successfully progressed.")
        return with_condition(conditions, done)
    if _progressed(status_of(deployment), status):
        moving = verdict("True", "ReplicaSetUpdated", "is progressing.")
        if current and current["status"] == "True":
            moving["lastTransitionTime"] = current["lastTransitionTime"]
        return [*without_condition(conditions, "Progressing"), moving]
    if _timed_out(deployment, current, now):
        return with_condition(
            conditions, verdict("False", "ProgressDeadlineExceeded", "has timed out progressing.")
        )
    return list(conditions)


def _replica_failure(sets: Sequence[Object], new: Object | None) -> Object | None:
    for rs in [new, *sets] if new else sets:
        found = find_condition(status_of(rs).get("conditions"), "ReplicaFailure")
        if found:
            time = found.get("lastTransitionTime")
            keys = ("type", "status", "reason", "message")
            kept = {key: found.get(key, "") for key in keys}
            return {**kept, "lastUpdateTime": time, "lastTransitionTime": time}
    return None


def deadline_in(deployment: Object, status: Object, now: float) -> float | None:
    """Seconds until a rollout that stands still is overdue; None when it need not be watched."""
    current = find_condition(status.get("conditions"), "Progressing")
    if not has_deadline(deployment) or current is None or is_complete(deployment, status):
        return None
    if current.get("reason") == "ProgressDeadlineExceeded":
        return None
    since = from_rfc3339(current["lastUpdateTime"])
    # Times in conditions are whole seconds, so look again a second later.
    return float(max(since + deployment["spec"]["progressDeadlineSeconds"] - now, 0) + 1)
