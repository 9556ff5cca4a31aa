"""The arithmetic of rolling updates (pkg/controller/deployment/util). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podyard.controllers.meta import Object, annotations_of, created_at, status_of

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"


def size(obj: Object) -> int:
    """spec.replicas, 1 when it is not set."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def total(sets: Iterable[Object]) -> int:
    """The wanted pods of several ReplicaSets together."""
    return sum(size(rs) for rs in sets)


def counted(sets: Iterable[Object], counter: str) -> int:
    """A status counter of several ReplicaSets together."""
    return sum(status_of(rs).get(counter) or 0 for rs in sets)


def is_rolling(deployment: Object) -> bool:
    """Whether the strategy is RollingUpdate."""
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def scaled(value: int | str | None, whole: int, *, round_up: bool) -> int:
    """An absolute number as it is, "25%" as that part of `whole` (intstr.GetScaledValueFromIntOrPercent)."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    hundredfold = int(value.removesuffix("%")) * whole
    return -(-hundredfold // 100) if round_up else hundredfold // 100


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers of pods; not both 0, or nothing would ever move."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    wanted = size(deployment)
    surge = scaled(rolling.get("maxSurge"), wanted, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable"), wanted, round_up=False)
    return surge, unavailable if surge or unavailable else 1


def max_surge(deployment: Object) -> int:
    """How many pods there may be beyond spec.replicas."""
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """How many of spec.replicas may be unavailable."""
    if not is_rolling(deployment) or size(deployment) == 0:
        return 0
    return min(fenceposts(deployment)[1], size(deployment))


def new_set_size(deployment: Object, sets: Sequence[Object], current: int) -> int:
    """The size the new ReplicaSet (of `current` now, one of `sets`) may have next (NewRSNewReplicas)."""
    wanted = size(deployment)
    if not is_rolling(deployment):
        return wanted
    room = wanted + max_surge(deployment) - total(sets)
    return current if room <= 0 else current + min(room, wanted - current)


def annotated(rs: Object, annotation: str) -> int | None:
    """An annotation that holds a number, None when it does not."""
    try:
        return int(annotations_of(rs)[annotation])
    except (KeyError, ValueError):
        return None


def proportion(rs: Object, deployment: Object, to_add: int, added: int) -> int:
    """A ReplicaSet's share when a Deployment is scaled in mid-rollout (GetReplicaSetProportion)."""
    if size(rs) == 0 or to_add == 0 or to_add == added:
        return 0
    fraction, allowed = _fraction(rs, deployment), to_add - added
    return min(fraction, allowed) if to_add > 0 else max(fraction, allowed)


def _fraction(rs: Object, deployment: Object) -> int:
    if size(deployment) == 0:
        return -size(rs)
    before = annotated(rs, MAX_REPLICAS) or status_of(deployment).get("replicas") or 0
    if before == 0:
        return 0
    # To the nearest, halves up, in whole numbers.
    share = (2 * size(rs) * (size(deployment) + max_surge(deployment)) + before) // (2 * before)
    return int(share - size(rs))


def is_saturated(deployment: Object, rs: Object | None) -> bool:
    """Whether the new ReplicaSet has all the pods of the Deployment, and they are available."""
    if rs is None:
        return False
    wanted = size(deployment)
    return (
        size(rs) == wanted
        and annotated(rs, DESIRED_REPLICAS) == wanted
        and (status_of(rs).get("availableReplicas") or 0) == wanted
    )


def by_age(sets: Iterable[Object]) -> list[Object]:
    """Oldest first; of two alike, by name."""
    return sorted(sets, key=lambda rs: (created_at(rs), rs["metadata"]["name"]))


def active(sets: Iterable[Object | None]) -> list[Object]:
    """Those that want pods."""
    return [rs for rs in sets if rs is not None and size(rs) > 0]
