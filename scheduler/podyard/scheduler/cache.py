"""Nodes and the pods on them, with bindings that are still on their way ("assumed")."""

from __future__ import annotations

from podyard.scheduler.nodes import NodeInfo, Object


class Cache:
    """What the informers say, and before they say it what this scheduler has decided."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._where: dict[str, str] = {}  # pod uid → node name
        self._assumed: set[str] = set()

    def nodes(self) -> list[NodeInfo]:
        """The nodes that exist, by name."""
        return [info for _, info in sorted(self._nodes.items()) if info.node is not None]

    def set_node(self, name: str, node: Object | None) -> None:
        """A node has come, changed or (None) gone."""
        info = self._nodes.setdefault(name, NodeInfo(name))
        info.set_node(node)
        self._drop_if_unused(info)

    def is_assumed(self, uid: str) -> bool:
        """Whether a binding of this pod is on its way."""
        return uid in self._assumed

    def assume(self, pod: Object, node: str) -> None:
        """Count the pod on a node from now on, ahead of its binding."""
        self._assumed.add(pod["metadata"]["uid"])
        self._put(pod, node)

    def forget(self, uid: str) -> None:
        """The binding failed."""
        if uid in self._assumed:
            self.remove(uid)

    def put(self, pod: Object) -> None:
        """A pod that is bound, as the informer has it."""
        self._assumed.discard(pod["metadata"]["uid"])
        self._put(pod, pod["spec"]["nodeName"])

    def remove(self, uid: str) -> None:
        """A pod takes nothing any more."""
        self._assumed.discard(uid)
        node = self._where.pop(uid, None)
        if node is not None:
            self._nodes[node].remove(uid)
            self._drop_if_unused(self._nodes[node])

    def _put(self, pod: Object, node: str) -> None:
        uid = pod["metadata"]["uid"]
        if self._where.get(uid) == node:
            self._nodes[node].replace(pod)
            return
        if uid in self._where:
            self._nodes[self._where[uid]].remove(uid)
        self._where[uid] = node
        self._nodes.setdefault(node, NodeInfo(node)).add(pod)

    def _drop_if_unused(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            self._nodes.pop(info.name, None)
