"""Resource requests: does the pod fit, and where is most left."""

from __future__ import annotations

import math
from collections.abc import Sequence

from podyard.scheduler.nodes import Cluster, NodeInfo, Object, pod_requests, scoring_requests
from podyard.scheduler.plugins import MAX_SCORE, Plugin, Refusal

_SCORED = ("cpu", "memory")


class NodeResourcesFit(Plugin):
    """Refuses nodes with too little left; prefers those with most left (LeastAllocated)."""

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        super().__init__(pod, cluster)
        self._requests = pod_requests(pod)
        self._scoring = scoring_requests(pod)

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Compare with allocatable minus the requests of the pods that are there."""
        reasons = []
        if len(node.pods) + 1 > node.allocatable.get("pods", 0):
            reasons.append("Too many pods")
        hopeless = False
        for resource, wanted in self._requests.items():
            allocatable = node.allocatable.get(resource, 0)
            if wanted > 0 and wanted > allocatable - node.requested.get(resource, 0):
                reasons.append(f"Insufficient {resource}")
                hopeless = hopeless or wanted > allocatable
        return Refusal(tuple(reasons), resolvable=not hopeless) if reasons else None

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """The part of cpu and memory that stays free."""
        return [self._score(node) for node in nodes]

    def _score(self, node: NodeInfo) -> float:
        free = []
        for resource in _SCORED:
            allocatable = node.allocatable.get(resource, 0)
            used = node.scoring_requested.get(resource, 0) + self._scoring.get(resource, 0)
            if allocatable:
                free.append(max(allocatable - used, 0) * MAX_SCORE / allocatable)
        return sum(free) / len(free) if free else 0.0


class NodeResourcesBalancedAllocation(Plugin):
    """Prefers nodes on which cpu and memory are then used to the same degree."""

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """100 when both are used alike; no opinion on a pod that requests neither."""
        requests = pod_requests(self.pod)
        if not any(requests.get(resource) for resource in _SCORED):
            return None
        scores = []
        for node in nodes:
            used = [
                min((node.requested.get(r, 0) + requests.get(r, 0)) / node.allocatable[r], 1.0)
                for r in _SCORED
                if node.allocatable.get(r)
            ]
            mean = sum(used) / len(used) if used else 0.0
            deviation = math.sqrt(sum((u - mean) ** 2 for u in used) / len(used)) if used else 0.0
            scores.append((1 - deviation) * MAX_SCORE)
        return scores
