"""Filters and scores: which nodes can take a pod, and which of them suits it best.

A plugin is made anew for each decision, with the pod and the cluster, and may compute in its
constructor what does not depend on the node.

- `filter(node)` gives None when the node can take the pod, else why not. `resolvable` says whether
  removing other pods from the node could help.
- `scores(nodes)` rates the nodes that passed every filter from 0 to 100, more being better, or
  gives None when the plugin has no opinion on this pod. `weight` multiplies it.

Plugins are pure: no clock, no randomness, no IO. `ORDER` in `podyard.scheduler.decide` lists them
in the order in which they are asked; of a node only the first refusal counts.
Source: k8s.io/kubernetes pkg/scheduler/framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from podyard.scheduler.nodes import Cluster, NodeInfo, Object

MAX_SCORE = 100.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node cannot take a pod, in Kubernetes' words."""

    reasons: tuple[str, ...]
    resolvable: bool = False


class Plugin:
    """The contract; by itself it lets every node pass and has no opinion."""

    weight: ClassVar[float] = 1.0

    def __init__(self, pod: Object, cluster: Cluster) -> None:
        self.pod = pod
        self.cluster = cluster

    def filter(self, node: NodeInfo) -> Refusal | None:
        """Why the node cannot take the pod; None when it can."""
        return None

    def scores(self, nodes: Sequence[NodeInfo]) -> list[float] | None:
        """0 to 100 for each node, or None for no opinion."""
        return None


def normalized(raw: Sequence[float], *, reverse: bool = False) -> list[float]:
    """Stretch to 0…100 by the highest one; `reverse` makes the highest the worst."""
    highest = max(raw, default=0.0)
    if highest == 0:
        return [MAX_SCORE if reverse else 0.0 for _ in raw]
    return [MAX_SCORE - MAX_SCORE * r / highest if reverse else MAX_SCORE * r / highest for r in raw]
