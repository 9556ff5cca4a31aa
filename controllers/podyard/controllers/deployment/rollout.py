"""The sizes of a Deployment's ReplicaSets, one step of a rollout at a time. Pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from podyard.controllers.deployment import revisions
from podyard.controllers.deployment.sizes import (
    active,
    by_age,
    counted,
    is_rolling,
    is_saturated,
    max_surge,
    max_unavailable,
    new_set_size,
    proportion,
    size,
    total,
)
from podyard.controllers.meta import Object, annotations_of, created_at, status_of


class Rollout:
    """Copies of a Deployment's ReplicaSets, changed as a sync would change them.

    `new` is the one of the current template, or None. Afterwards `created` says whether it has to
    be made, `changed` which others have to be written, `events` what users are told.
    """

    def __init__(self, deployment: Object, sets: Sequence[Object]) -> None:
        self.deployment = deployment
        self.created = False
        self.events: list[tuple[str, str, str]] = []
        self._given = {rs["metadata"]["name"]: rs for rs in sets}
        self.new, self.old = revisions.split(deployment, [_writable(rs) for rs in sets])
        if self.new is not None:
            self._refresh(self.new)

    @property
    def sets(self) -> list[Object]:
        """Old and new together."""
        return self.old + ([self.new] if self.new is not None else [])

    @property
    def changed(self) -> list[Object]:
        """The stored ReplicaSets that are to be written."""
        names = self._given
        return [rs for rs in self.sets if (name := rs["metadata"]["name"]) in names and rs != names[name]]

    def _refresh(self, new: Object) -> None:
        number = revisions.next_revision(self.old)
        annotations = revisions.annotate(self.deployment, new, number)
        if annotations != annotations_of(new):
            new["metadata"]["annotations"] = annotations
        seconds = self.deployment["spec"].get("minReadySeconds") or 0
        if (new["spec"].get("minReadySeconds") or 0) != seconds:
            new["spec"]["minReadySeconds"] = seconds

    def create_new(self) -> None:
        """Add the ReplicaSet of the current template if there is none."""
        if self.new is not None:
            return
        self.new = revisions.new_replica_set(self.deployment, revisions.next_revision(self.old))
        self.created = True
        count = new_set_size(self.deployment, self.sets, 0)
        self.new["spec"]["replicas"] = count
        if count:
            self._tell("up", self.new, 0, count)

    def resize(self, rs: Object, count: int) -> bool:
        """Give a ReplicaSet a size; say whether it had another."""
        before = size(rs)
        wanted = revisions.size_annotations(self.deployment)
        rs["metadata"]["annotations"] = {**annotations_of(rs), **wanted}
        rs["spec"]["replicas"] = count
        if before != count:
            self._tell("up" if count > before else "down", rs, before, count)
        return before != count

    def _tell(self, direction: str, rs: Object, before: int, after: int) -> None:
        name = rs["metadata"]["name"]
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self.events.append(("Normal", "ScalingReplicaSet", message))

    def rolling(self) -> bool:
        """One step of a rolling update; say whether anything was scaled."""
        self.create_new()
        assert self.new is not None
        if size(self.new) != size(self.deployment):
            count = min(new_set_size(self.deployment, self.sets, size(self.new)), size(self.deployment))
            if count != size(self.new):
                return self.resize(self.new, count)
        return self._shrink_old()

    def _shrink_old(self) -> bool:
        old = active(self.old)
        if not old or self.new is None:
            return False
        least = size(self.deployment) - max_unavailable(self.deployment)
        unavailable = size(self.new) - (status_of(self.new).get("availableReplicas") or 0)
        spare = total([*old, self.new]) - least - unavailable
        if spare <= 0:
            return False
        scaled = self._drop(old, spare, unhealthy=True)
        return self._drop(old, counted([*old, self.new], "availableReplicas") - least) or scaled

    def _drop(self, old: Sequence[Object], count: int, *, unhealthy: bool = False) -> bool:
        """Take `count` pods from the oldest ReplicaSets first; only the unavailable ones if so wished."""
        left = count
        for rs in by_age(old):
            if left <= 0:
                break
            available = status_of(rs).get("availableReplicas") or 0
            droppable = size(rs) - available if unhealthy else size(rs)
            step = min(left, droppable)
            if step > 0:
                self.resize(rs, size(rs) - step)
                left -= step
        return left < count

    def recreate(self, pods: Sequence[Object]) -> bool:
        """One step of Recreate: all old pods away before the first new one. `pods` are the live old ones."""
        scaled = [self.resize(rs, 0) for rs in active(self.old)]
        if any(scaled):
            return True
        if counted(self.old, "replicas") > 0 or pods:
            return True
        self.create_new()
        assert self.new is not None
        if size(self.new) != size(self.deployment):
            return self.resize(self.new, size(self.deployment))
        return False

    def scale(self) -> None:
        """Follow a change of spec.replicas, proportionally when a rollout is under way."""
        latest = self._active_or_latest()
        if latest is not None:
            self.resize(latest, size(self.deployment))
        elif is_saturated(self.deployment, self.new):
            for rs in active(self.old):
                self.resize(rs, 0)
        elif is_rolling(self.deployment):
            self._scale_proportionally()

    def _active_or_latest(self) -> Object | None:
        candidates = active([*self.old, self.new])
        if len(candidates) > 1:
            return None
        if candidates:
            return candidates[0]
        return self.new or (by_age(self.old)[-1] if self.old else None)

    def _scale_proportionally(self) -> None:
        sets = active([*self.old, self.new])
        wanted = size(self.deployment)
        to_add = (wanted + max_surge(self.deployment) if wanted > 0 else 0) - total(sets)
        newer_first = to_add > 0
        sets.sort(key=lambda rs: (-size(rs), -created_at(rs) if newer_first else created_at(rs)))
        sizes, added = [], 0
        for rs in sets:
            share = proportion(rs, self.deployment, to_add, added)
            added += share
            sizes.append(size(rs) + share)
        sizes[0] = max(sizes[0] + to_add - added, 0)
        for rs, count in zip(sets, sizes, strict=True):
            self.resize(rs, count)

    def superfluous(self) -> list[Object]:
        """Old ReplicaSets beyond revisionHistoryLimit that can go: no pods, and nothing pending."""
        limit = self.deployment["spec"].get("revisionHistoryLimit")
        if limit is None:
            return []
        old = [rs for rs in self.old if "deletionTimestamp" not in rs["metadata"]]
        old.sort(key=revisions.revision)
        return [
            rs
            for rs in old[: max(len(old) - limit, 0)]
            if size(rs) == 0
            and not status_of(rs).get("replicas")
            and rs["metadata"].get("generation", 0) <= (status_of(rs).get("observedGeneration") or 0)
        ]


def _writable(rs: Object) -> Object:
    """A copy whose annotations and spec fields may be set; what lies deeper is shared."""
    made = copy.copy(rs)
    made["metadata"] = dict(rs["metadata"])
    made["spec"] = dict(rs["spec"])
    return made
