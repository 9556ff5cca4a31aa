"""Nodes that are cordoned, or that the pod does not name."""

from __future__ import annotations

from podyard.scheduler.nodes import NodeInfo
from podyard.scheduler.plugins import Plugin, Refusal
from podyard.scheduler.plugins.taints import tolerated

_CORDON = {"key": "node.kubernetes.io/unschedulable", "value": "", "effect": "NoSchedule"}


class NodeUnschedulable(Plugin):
    """Refuses cordoned nodes, unless the pod tolerates that."""

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Look at spec.unschedulable."""
        cordoned = (node.node or {}).get("spec", {}).get("unschedulable")
        if not cordoned or tolerated(_CORDON, self.pod["spec"].get("tolerations") or ()):
            return None
        return Refusal(("node(s) were unschedulable",))


class NodeName(Plugin):
    """Refuses every node but the one that spec.nodeName names."""

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Compare names."""
        if self.pod["spec"].get("nodeName") in (None, "", node.name):
            return None
        return Refusal(("node(s) didn't match the requested node name",))
