"""nodeSelector and nodeAffinity."""

from __future__ import annotations

from collections.abc import Sequence

from podyard.scheduler.nodes import NodeInfo, Object, affinity_of
from podyard.scheduler.plugins import Plugin, Refusal, normalized


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def matches_expression(expression: Object, value: str | None) -> bool:
    """One node selector requirement against the value of its key (None: absent)."""
    values = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            actual, wanted = _number(value), _number(values[0] if values else None)
            if actual is None or wanted is None:
                return False
            return actual > wanted if operator == "Gt" else actual < wanted
    return False


def matches_term(term: Object, node: NodeInfo) -> bool:
    """All of a term's expressions and fields; an empty term matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(matches_expression(e, node.labels.get(e["key"])) for e in expressions) and all(
        e["key"] == "metadata.name" and matches_expression(e, node.name) for e in fields
    )


def matches_node(pod: Object, node: NodeInfo) -> bool:
    """Whether the pod's nodeSelector and required node affinity allow the node."""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    required = affinity_of(pod, "nodeAffinity").get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


class NodeAffinity(Plugin):
    """Refuses nodes that the pod's selector or required affinity excludes; scores preferred affinity."""

    weight = 2.0

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Match nodeSelector and required terms."""
        if matches_node(self.pod, node):
            return None
        return Refusal(("node(s) didn't match Pod's node affinity/selector",))

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """Add up the weights of preferred terms that match."""
        affinity = affinity_of(self.pod, "nodeAffinity")
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        if not preferred:
            return None
        return normalized(
            [float(sum(t["weight"] for t in preferred if matches_term(t["preference"], n))) for n in nodes]
        )
