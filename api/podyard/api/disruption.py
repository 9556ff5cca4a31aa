"""How many pods a PodDisruptionBudget lets go: what evictions ask, and its status tells.

Source: kubernetes pkg/controller/disruption/disruption.go, pkg/registry/core/pod/storage/eviction.go;
KEP-3017 (unhealthyPodEvictionPolicy).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from podyard.api.objects import controller_of, is_ready
from podyard.api.resources import DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS
from podyard.api.selectors import from_label_selector

Object = dict[str, Any]

Find = Callable[[str, str, str], Object | None]
"""Finds an object by its group resource ("replicasets.apps"), namespace and name."""

SCALED = (REPLICATIONCONTROLLERS, REPLICASETS, STATEFULSETS, DEPLOYMENTS)
"""Those whose spec.replicas says how many pods are expected."""

_SCALED_BY_KIND = {(r.group_version, r.kind): r.group_resource for r in SCALED}


@dataclass(frozen=True, slots=True)
class Disruptions:
    """What a budget amounts to, in pods: `desired` is how many of the `expected` have to be healthy.

    `unmanaged` pods have no controller that says how many are expected, and so are not among these.
    `failure` says why nothing can be told; empty when it can.
    """

    expected: int
    desired: int
    healthy: int
    unmanaged: int = 0
    failure: str = ""

    @property
    def allowed(self) -> int:
        """How many healthy pods may go now."""
        return max(self.healthy - self.desired, 0) if self.expected > 0 else 0


def covers(budget: Object, pod: Object) -> bool:
    """Whether the budget is about the pod."""
    selector = from_label_selector(budget["spec"].get("selector"))
    return selector.matches(pod["metadata"].get("labels"))


def disruptions(budget: Object, pods: Iterable[Object], find: Find) -> Disruptions:
    """What a budget amounts to; `pods` are those that it covers.

    A number of pods that have to be there counts all pods; anything else is a share of the replicas that
    their controllers ask for.
    """
    pods = list(pods)
    healthy = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    most, least = budget["spec"].get("maxUnavailable"), budget["spec"].get("minAvailable") or 0
    if most is None and isinstance(least, int):
        return Disruptions(len(pods), least, healthy)
    managed = [pod for pod in pods if controller_of(pod) is not None]
    scales: dict[str, int] = {}
    for pod in managed:
        owner = _owner(pod, find)
        if owner is None:
            return Disruptions(
                0, 0, healthy, failure=f'found no controllers for pod "{pod["metadata"]["name"]}"'
            )
        replicas = owner["spec"].get("replicas")
        scales[owner["metadata"]["uid"]] = 1 if replicas is None else replicas
    expected = sum(scales.values())
    desired = _share(least, expected) if most is None else max(expected - _share(most, expected), 0)
    return Disruptions(expected, desired, healthy, unmanaged=len(pods) - len(managed))


def may_evict(pod: Object, budget: Object, now: Disruptions) -> bool:
    """Whether a running pod may be evicted; one that is not ready may when the budget loses nothing."""
    if not is_ready(pod):
        if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return True
        if now.healthy >= now.desired > 0:
            return True
    return now.allowed > 0


def _owner(pod: Object, find: Find) -> Object | None:
    """Who says how many there are: the pod's controller, or that one's own (a ReplicaSet's Deployment)."""
    owner = _controller(pod, find)
    return owner and (_controller(owner, find) or owner)


def _controller(obj: Object, find: Find) -> Object | None:
    reference = controller_of(obj)
    if reference is None:
        return None
    kind = _SCALED_BY_KIND.get((reference["apiVersion"], reference["kind"]))
    owner = find(kind, obj["metadata"]["namespace"], reference["name"]) if kind else None
    return owner if owner and owner["metadata"]["uid"] == reference["uid"] else None


def _share(amount: int | str, total: int) -> int:
    """A number of pods, or a percentage of them, rounded up."""
    if isinstance(amount, int):
        return amount
    return math.ceil(int(amount.rstrip("%")) * total / 100)
