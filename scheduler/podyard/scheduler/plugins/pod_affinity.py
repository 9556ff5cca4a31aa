"""Affinity and anti-affinity between pods (pkg/scheduler/framework/plugins/interpodaffinity)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from podyard.api import selectors
from podyard.scheduler.nodes import Cluster, NodeInfo, Object, affinity_of
from podyard.scheduler.plugins import MAX_SCORE, Plugin, Refusal

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

_HARD_WEIGHT = 1
"""What a required affinity of a pod that is there counts for when nodes are scored."""

Pair = tuple[str, str]
"""A topology: label key and value."""


class Term:
    """One affinity term of `owner`, ready to be matched against other pods."""

    def __init__(
        self, owner: Object, term: Object, namespace_labels: Callable[[str], dict[str, str]]
    ) -> None:
        self.topology_key: str = term["topologyKey"]
        self._namespace_labels = namespace_labels
        self._namespaces = set(term.get("namespaces") or ())
        by_label = term.get("namespaceSelector")
        if not self._namespaces and by_label is None:
            self._namespaces = {owner["metadata"]["namespace"]}
        self._namespace_selector = selectors.from_label_selector(by_label)
        self._selector = _with_label_keys(owner, term)

    def matches(self, pod: Object) -> bool:
        """Whether the term is about that pod."""
        namespace = pod["metadata"]["namespace"]
        there = namespace in self._namespaces or self._namespace_selector.matches(
            self._namespace_labels(namespace)
        )
        return there and self._selector.matches(pod["metadata"].get("labels") or {})


def _with_label_keys(owner: Object, term: Object) -> selectors.LabelSelector:
    """The term's selector, with the values that the owner itself has for (mis)matchLabelKeys."""
    selector = term.get("labelSelector")
    labels = owner["metadata"].get("labels") or {}
    expressions = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or ()
        if key in labels
    ]
    if selector is not None and expressions:
        selector = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *expressions]}
    return selectors.from_label_selector(selector)


class InterPodAffinity(Plugin):
    """Keeps pods together or apart, by the wishes of both the new pod and those that are there."""

    weight = 2.0

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        super().__init__(pod, cluster)
        self._affinity = self._terms(pod, "podAffinity")
        self._anti_affinity = self._terms(pod, "podAntiAffinity")
        self._together: Counter[Pair] = Counter()  # pods that match all of the affinity terms
        self._apart: Counter[Pair] = Counter()  # pods that match an anti-affinity term
        self._forbidden: set[Pair] = set()  # where pods that are there do not want this one
        if self._affinity or self._anti_affinity:
            for node, other in cluster.pods():
                self._look_at(node, other)
        for node, other in cluster.choosy_pods():
            for term in self._terms(other, "podAntiAffinity"):
                if term.matches(pod):
                    self._forbidden.update(_pairs([term], node))
        self._matches_itself = all(term.matches(pod) for term in self._affinity)

    def _terms(self, pod: Object, kind: str) -> list[Term]:
        terms = affinity_of(pod, kind).get(_REQUIRED) or ()
        return [Term(pod, term, self.cluster.namespace_labels) for term in terms]

    def _look_at(self, node: NodeInfo, other: Object) -> None:
        if self._affinity and all(term.matches(other) for term in self._affinity):
            self._together.update(_pairs(self._affinity, node))
        for term in self._anti_affinity:
            if term.matches(other):
                self._apart.update(_pairs([term], node))

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Affinity first, then the pod's anti-affinity, then that of the others."""
        if not self._has_company(node):
            return Refusal(("node(s) didn't match pod affinity rules",))
        if any(self._apart[pair] for pair in _pairs(self._anti_affinity, node)):
            return Refusal(("node(s) didn't match pod anti-affinity rules",), resolvable=True)
        if any(pair in self._forbidden for pair in node.labels.items()):
            text = "node(s) didn't satisfy existing pods anti-affinity rules"
            return Refusal((text,), resolvable=True)
        return None

    def _has_company(self, node: NodeInfo) -> bool:
        pairs = list(_pairs(self._affinity, node))
        if len(pairs) < len(self._affinity):
            return False
        if all(self._together[pair] for pair in pairs):
            return True
        # The first of a group that wants to be together has nobody to join.
        return not self._together and self._matches_itself

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """Weigh the preferences of this pod and those of the others, by topology."""
        weights: Counter[Pair] = Counter()
        own = self._preferences(self.pod)
        for node, other in self.cluster.pods() if own else ():
            for term, weight in own:
                if term.matches(other):
                    weights.update(dict.fromkeys(_pairs([term], node), weight))
        for node, other in self.cluster.choosy_pods():
            theirs = self._preferences(other)
            theirs += [(term, _HARD_WEIGHT) for term in self._terms(other, "podAffinity")]
            for term, weight in theirs:
                if term.matches(self.pod):
                    weights.update(dict.fromkeys(_pairs([term], node), weight))
        if not weights:
            return None
        raw = [sum(weights[pair] for pair in node.labels.items()) for node in nodes]
        lowest, highest = min(raw), max(raw)
        if lowest == highest:
            return [0.0 for _ in raw]
        return [MAX_SCORE * (score - lowest) / (highest - lowest) for score in raw]

    def _preferences(self, pod: Object) -> list[tuple[Term, int]]:
        found = []
        for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
            for preferred in affinity_of(pod, kind).get(_PREFERRED) or ():
                term = Term(pod, preferred["podAffinityTerm"], self.cluster.namespace_labels)
                found.append((term, sign * int(preferred["weight"])))
        return found


def _pairs(terms: Sequence[Term], node: NodeInfo) -> list[Pair]:
    """The topologies of these terms that the node is in."""
    keys = [term.topology_key for term in terms]
    return [(key, node.labels[key]) for key in keys if key in node.labels]
