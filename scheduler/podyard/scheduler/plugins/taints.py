"""Taints and tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podyard.scheduler.nodes import NodeInfo, Object
from podyard.scheduler.plugins import Plugin, Refusal, normalized


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether a toleration covers a taint (v1.Toleration.ToleratesTaint)."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and (toleration.get("value") or "") == (
                taint.get("value") or ""
            )
        case "Lt" | "Gt" as operator:
            return _compares(operator, toleration.get("value") or "", taint.get("value") or "")
    return False


def _compares(operator: str, wanted: str, actual: str) -> bool:
    try:
        return int(actual) < int(wanted) if operator == "Lt" else int(actual) > int(wanted)
    except ValueError:
        return False


def tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    """Whether any of the tolerations covers the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


class TaintToleration(Plugin):
    """Refuses taints that the pod does not tolerate; prefers nodes with fewer PreferNoSchedule ones."""

    weight = 3.0

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Look at NoSchedule and NoExecute taints."""
        tolerations = self.pod["spec"].get("tolerations") or ()
        for taint in node.taints:
            if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerated(taint, tolerations):
                return Refusal(("node(s) had untolerated taint(s)",))
        return None

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """Count PreferNoSchedule taints that are not tolerated."""
        tolerations = [
            t
            for t in self.pod["spec"].get("tolerations") or ()
            if t.get("effect") in (None, "", "PreferNoSchedule")
        ]
        counts = [
            float(sum(t["effect"] == "PreferNoSchedule" and not tolerated(t, tolerations) for t in n.taints))
            for n in nodes
        ]
        return normalized(counts, reverse=True) if any(counts) else None
