"""Choosing a node for a pod. Pure: randomness is passed in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from podyard.scheduler.nodes import Cluster, NodeInfo, Object
from podyard.scheduler.plugins import Plugin, Refusal
from podyard.scheduler.plugins.node_affinity import NodeAffinity
from podyard.scheduler.plugins.node_name import NodeName, NodeUnschedulable
from podyard.scheduler.plugins.pod_affinity import InterPodAffinity
from podyard.scheduler.plugins.ports import NodePorts
from podyard.scheduler.plugins.resources import NodeResourcesBalancedAllocation, NodeResourcesFit
from podyard.scheduler.plugins.taints import TaintToleration
from podyard.scheduler.plugins.topology_spread import PodTopologySpread

ORDER: tuple[type[Plugin], ...] = (
    NodeUnschedulable,
    NodeName,
    TaintToleration,
    NodeAffinity,
    NodePorts,
    NodeResourcesFit,
    PodTopologySpread,
    InterPodAffinity,
    NodeResourcesBalancedAllocation,
)
"""All plugins, in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The chosen node, or why there is none."""

    node: str = ""
    message: str = ""


def decide(pod: Object, cluster: Cluster, rng: random.Random) -> Decision:
    """The best node for a pod; `rng` chooses among nodes that are equally good."""
    if not cluster.nodes:
        return Decision(message="no nodes available to schedule pods")
    plugins = [plugin(pod, cluster) for plugin in ORDER]
    refusals: dict[str, Refusal] = {}
    feasible: list[NodeInfo] = []
    for node in cluster.nodes:
        refusal = next((r for plugin in plugins if (r := plugin.filter(node)) is not None), None)
        if refusal is None:
            feasible.append(node)
        else:
            refusals[node.name] = refusal
    if not feasible:
        return Decision(message=explain(pod, refusals))
    if len(feasible) == 1:
        return Decision(feasible[0].name)
    totals = total_scores(plugins, feasible)
    best = max(totals)
    return Decision(rng.choice([n.name for n, t in zip(feasible, totals, strict=True) if t == best]))


def total_scores(plugins: Sequence[Plugin], nodes: Sequence[NodeInfo]) -> list[int]:
    """The weighted sum of all plugins' scores; each counts in whole numbers, as in Kubernetes."""
    totals = [0 for _ in nodes]
    for plugin in plugins:
        scores = plugin.scores(nodes)
        for i, score in enumerate(scores or ()):
            totals[i] += int(score) * int(plugin.weight)
    return totals


def explain(pod: Object, refusals: Mapping[str, Refusal]) -> str:
    """Why no node takes the pod, in Kubernetes' words (framework.FitError)."""
    count = len(refusals)
    reasons = Counter(reason for refusal in refusals.values() for reason in refusal.reasons)
    return f"0/{count} nodes are available: {_listed(reasons)} preemption: {_preemption(pod, refusals)}"


def _preemption(pod: Object, refusals: Mapping[str, Refusal]) -> str:
    if pod["spec"].get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    helps, useless = (
        "No preemption victims found for incoming pod",
        "Preemption is not helpful for scheduling",
    )
    verdicts = Counter(helps if refusal.resolvable else useless for refusal in refusals.values())
    return f"0/{len(refusals)} nodes are available: {_listed(verdicts)}"


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items())) + "."
