"""Host ports."""

from __future__ import annotations

from podyard.scheduler.nodes import Cluster, NodeInfo, Object, host_ports
from podyard.scheduler.plugins import Plugin, Refusal

_ANY = "0.0.0.0"


class NodePorts(Plugin):
    """Refuses nodes on which a host port that the pod wants is taken."""

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        super().__init__(pod, cluster)
        self._wanted = host_ports(pod)

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Compare with the ports of the pods that are there; 0.0.0.0 conflicts with every address."""
        if not self._wanted:
            return None
        for pod in node.pods.values():
            for address, protocol, port in host_ports(pod):
                for wanted in self._wanted:
                    clash = address == wanted[0] or _ANY in (address, wanted[0])
                    if clash and (protocol, port) == wanted[1:]:
                        text = "node(s) didn't have free ports for the requested pod ports"
                        return Refusal((text,), resolvable=True)
        return None
