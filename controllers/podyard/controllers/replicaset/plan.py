"""Which pods a ReplicaSet is to create and delete, and its status. Pure.

Source: k8s.io/kubernetes pkg/controller/replicaset, pkg/controller/controller_utils.go.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from podyard.api import selectors
from podyard.api.objects import find_condition, is_ready
from podyard.api.times import to_rfc3339
from podyard.controllers.meta import Object, annotations_of, created_at, labels_of, status_of, without_zeros
from podyard.controllers.pods import available_in, is_active, phase_of, ready_since, restarts

BURST = 500
"""The most pods that one sync creates or deletes."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pods to create, or which to delete."""

    create: int = 0
    delete: list[Object] = field(default_factory=list)


def plan(desired: int, active: Sequence[Object], related: Sequence[Object], now: float) -> Plan:
    """Bring the active pods to the desired number.

    `related` are the pods of every ReplicaSet under the same Deployment: of two pods that are
    otherwise alike, the one that shares its node with more of them goes first.
    """
    missing = desired - len(active)
    if missing >= 0:
        return Plan(create=min(missing, BURST))
    surplus = min(-missing, BURST)
    on_node = Counter(pod["spec"].get("nodeName", "") for pod in related if is_active(pod))
    ranked = sorted(active, key=lambda pod: _keep_rank(pod, on_node, now))
    return Plan(delete=ranked[:surplus])


def _keep_rank(pod: Object, on_node: Counter[str], now: float) -> tuple[float | str, ...]:
    """What sorts first is deleted first (ActivePodsWithRanks.Less)."""
    node = pod["spec"].get("nodeName", "")
    ready = is_ready(pod)
    return (
        bool(node),
        {"Pending": 0, "Unknown": 1}.get(phase_of(pod), 2),
        ready,
        _deletion_cost(pod),
        -on_node[node] if node else 0,
        _age_rank(ready_since(pod), now) if ready else 0,
        -restarts(pod),
        _age_rank(created_at(pod), now),
        pod["metadata"]["uid"],
    )


def _deletion_cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _age_rank(since: float, now: float) -> int:
    """Ages count by their magnitude (LogarithmicScaleDown), so that not always the same pod goes."""
    nanoseconds = (now - since) * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def replica_status(
    owner: Object,
    active: Sequence[Object],
    terminating: int | None,
    failure: str,
    now: float,
) -> tuple[Object, float | None]:
    """The status for these pods, and in how many seconds to look again (None: only when something changes).

    `failure` is why pods could not be created or deleted; empty when all went well. `terminating`
    is None for a kind whose status does not count terminating pods.
    """
    spec, old = owner["spec"], status_of(owner)
    min_ready = spec.get("minReadySeconds") or 0
    template_labels = selectors.from_map(labels_of(spec["template"]))
    waits = [wait for pod in active if (wait := available_in(pod, min_ready, now)) is not None]
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template_labels.matches(labels_of(pod)) for pod in active),
        "readyReplicas": len(waits),
        "availableReplicas": sum(wait == 0 for wait in waits),
        "observedGeneration": owner["metadata"].get("generation", 0),
        "conditions": _conditions(old.get("conditions") or [], failure, len(active) < desired(owner), now),
    }
    if terminating is not None:
        status["terminatingReplicas"] = terminating
    pending = [wait for wait in waits if wait > 0]
    return without_zeros(status, keep=("replicas", "terminatingReplicas")), min(pending, default=None)


def desired(owner: Object) -> int:
    """spec.replicas, 1 when it is not set."""
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _conditions(old: list[Object], failure: str, creating: bool, now: float) -> list[Object]:
    current = find_condition(old, "ReplicaFailure")
    if failure and current is None:
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": to_rfc3339(now),
            "reason": "FailedCreate" if creating else "FailedDelete",
            "message": failure,
        }
        return [*old, condition]
    if not failure and current is not None:
        return [condition for condition in old if condition["type"] != "ReplicaFailure"]
    return old


def new_pod(owner: Object, reference: Object) -> Object:
    """A pod from the owner's template (controller.GetPodFromTemplate)."""
    template = owner["spec"]["template"]
    given = template.get("metadata") or {}
    kept = {key: given[key] for key in ("labels", "annotations", "finalizers") if given.get(key)}
    name = owner["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **kept,
            "generateName": f"{name}-",
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [reference],
        },
        "spec": template["spec"],
    }
