"""Spreading pods over nodes and zones (pkg/scheduler/framework/plugins/podtopologyspread)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podyard.api import selectors
from podyard.scheduler.nodes import Cluster, NodeInfo, Object
from podyard.scheduler.plugins import MAX_SCORE, Plugin, Refusal
from podyard.scheduler.plugins.node_affinity import matches_node
from podyard.scheduler.plugins.taints import tolerated

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

SYSTEM_DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))
"""Topology keys and maxSkew for pods of a Service or ReplicaSet that say nothing themselves."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One spread constraint of a pod."""

    topology_key: str
    max_skew: int
    matches: Callable[[dict[str, str]], bool]
    hard: bool = False
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


def constraints_of(pod: Object, cluster: Cluster) -> list[Constraint]:
    """The pod's own constraints, or the system's default ones."""
    own = pod["spec"].get("topologySpreadConstraints") or ()
    if own:
        return [_constraint(pod, given) for given in own]
    merged = cluster.spread_selectors(pod)
    if not merged:
        return []

    def matches(labels: dict[str, str]) -> bool:
        return all(selector(labels) for selector in merged)

    return [Constraint(key, skew, matches) for key, skew in SYSTEM_DEFAULTS]


def _constraint(pod: Object, given: Object) -> Constraint:
    labels = pod["metadata"].get("labels") or {}
    selector = selectors.from_label_selector(given.get("labelSelector"))
    same = {key: labels[key] for key in given.get("matchLabelKeys") or () if key in labels}

    def matches(others: dict[str, str]) -> bool:
        return selector.matches(others) and all(others.get(key) == value for key, value in same.items())

    return Constraint(
        given["topologyKey"],
        given["maxSkew"],
        matches,
        hard=given["whenUnsatisfiable"] == "DoNotSchedule",
        min_domains=given.get("minDomains") or 1,
        honor_affinity=given.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=given.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


class PodTopologySpread(Plugin):
    """Refuses nodes that would break a hard constraint; prefers those that even the soft ones out."""

    weight = 2.0

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        super().__init__(pod, cluster)
        constraints = constraints_of(pod, cluster)
        self._own = bool(pod["spec"].get("topologySpreadConstraints"))
        self._soft = [c for c in constraints if not c.hard]
        self._hard = [(c, self._counts(c, [d for d in constraints if d.hard])) for c in constraints if c.hard]

    def _counts(self, constraint: Constraint, together: Sequence[Constraint]) -> Counter[str]:
        """Matching pods by topology value, over the nodes that have every key of `together`."""
        counts: Counter[str] = Counter()
        for node in self.cluster.nodes:
            if any(c.topology_key not in node.labels for c in together) or not self._counted(
                constraint, node
            ):
                continue
            counts[node.labels[constraint.topology_key]] += self._matching(constraint, node)
        return counts

    def _counted(self, constraint: Constraint, node: NodeInfo) -> bool:
        if constraint.honor_affinity and not matches_node(self.pod, node):
            return False
        tolerations = self.pod["spec"].get("tolerations") or ()
        return not constraint.honor_taints or all(
            tolerated(taint, tolerations) for taint in node.taints if taint["effect"] != "PreferNoSchedule"
        )

    def _matching(self, constraint: Constraint, node: NodeInfo) -> int:
        namespace = self.pod["metadata"]["namespace"]
        return sum(
            pod["metadata"]["namespace"] == namespace
            and "deletionTimestamp" not in pod["metadata"]
            and constraint.matches(pod["metadata"].get("labels") or {})
            for pod in node.pods.values()
        )

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Check the skew that each hard constraint would have."""
        text = "node(s) didn't match pod topology spread constraints"
        labels = self.pod["metadata"].get("labels") or {}
        for constraint, counts in self._hard:
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return Refusal((f"{text} (missing required label)",))
            least = min(counts.values(), default=0) if len(counts) >= constraint.min_domains else 0
            if counts[value] + constraint.matches(labels) - least > constraint.max_skew:
                return Refusal((text,), resolvable=True)
        return None

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """The fewer matching pods in a node's topologies the better; small topologies count for more."""
        if not self._soft:
            return None
        # The pod's own constraints take only nodes with all their labels; the default ones take any.
        ignored = [self._own and any(c.topology_key not in n.labels for c in self._soft) for n in nodes]
        raw = [0.0 for _ in nodes]
        for constraint in self._soft:
            self._add_score(constraint, nodes, ignored, raw)
        counted = [round(score) for score, skip in zip(raw, ignored, strict=True) if not skip]
        if not counted:
            return [0.0 for _ in nodes]
        lowest, highest = min(counted), max(counted)
        return [
            0.0 if skip else (MAX_SCORE * (highest + lowest - round(s)) / highest if highest else MAX_SCORE)
            for s, skip in zip(raw, ignored, strict=True)
        ]

    def _add_score(
        self, constraint: Constraint, nodes: Sequence[NodeInfo], ignored: Sequence[bool], raw: list[float]
    ) -> None:
        key = constraint.topology_key
        candidates = [n for n, skip in zip(nodes, ignored, strict=True) if not skip]
        if key == HOSTNAME:
            counts = Counter({n.labels[key]: self._matching(constraint, n) for n in nodes if key in n.labels})
            size = len(candidates)
        else:
            counts = self._counts(constraint, self._soft if self._own else [constraint])
            size = len({n.labels[key] for n in candidates if key in n.labels})
        weight = math.log(size + 2)
        for i, node in enumerate(nodes):
            if key in node.labels:
                raw[i] += counts[node.labels[key]] * weight + (constraint.max_skew - 1)
