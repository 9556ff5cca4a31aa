"""The scheduler's view of the cluster: nodes with the pods on them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from podyard.api.quantities import parse_quantity

Object = dict[str, Any]

DEFAULT_CPU_MILLI = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
"""What a container without requests counts for when nodes are scored (schedutil.GetNonzeroRequests)."""

Amounts = dict[str, int]
"""By resource name: cpu in thousandths, everything else in whole units (bytes, pieces)."""


def amount(resource: str, quantity: str | int | float) -> int:
    """A quantity as a whole number of thousandths (cpu) or units, rounded up."""
    value = parse_quantity(quantity) * (1000 if resource == "cpu" else 1)
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def _requests(container: Object) -> Amounts:
    resources = container.get("resources") or {}
    given = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: amount(name, quantity) for name, quantity in given.items()}


def _with_defaults(container: Object) -> Amounts:
    return {"cpu": DEFAULT_CPU_MILLI, "memory": DEFAULT_MEMORY_BYTES, **_requests(container)}


def add(a: Amounts, b: Amounts) -> Amounts:
    """The sum."""
    return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}


def _most(a: Amounts, b: Amounts) -> Amounts:
    return {name: max(a.get(name, 0), b.get(name, 0)) for name in {**a, **b}}


def pod_requests(pod: Object, of: Callable[[Object], Amounts] = _requests) -> Amounts:
    """What a pod needs at its most demanding moment (resourcehelper.PodRequests).

    Its containers together, or an init container beside the sidecars that started before it.
    """
    spec = pod["spec"]
    running: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        needed = of(container)
        if container.get("restartPolicy") == "Always":
            running = add(running, needed)
            needed = {}
        peak = _most(peak, add(running, needed))
    for container in spec.get("containers") or ():
        running = add(running, of(container))
    total = _most(running, peak)
    pod_level = (spec.get("resources") or {}).get("requests") or {}
    total |= {name: amount(name, quantity) for name, quantity in pod_level.items()}
    overhead = {name: amount(name, quantity) for name, quantity in (spec.get("overhead") or {}).items()}
    return add(total, overhead)


def scoring_requests(pod: Object) -> Amounts:
    """The same, with the default amounts for containers that request nothing."""
    return pod_requests(pod, _with_defaults)


def host_ports(pod: Object) -> list[tuple[str, str, int]]:
    """(address, protocol, port) of each host port that a pod wants."""
    containers = [*(pod["spec"].get("containers") or ())]
    containers += [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def affinity_of(pod: Object, kind: str) -> Object:
    """spec.affinity.KIND, empty when it is not set."""
    return (pod["spec"].get("affinity") or {}).get(kind) or {}


@dataclass(slots=True)
class NodeInfo:
    """A node and what the pods on it take. `node` is None while only its pods are known."""

    name: str
    node: Object | None = None
    pods: dict[str, Object] = field(default_factory=dict)  # by uid
    choosy: dict[str, Object] = field(default_factory=dict)  # those that care about other pods
    requested: Amounts = field(default_factory=dict)
    scoring_requested: Amounts = field(default_factory=dict)
    allocatable: Amounts = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """The node's labels."""
        return (self.node or {"metadata": {}})["metadata"].get("labels") or {}

    @property
    def taints(self) -> list[Object]:
        """The node's taints."""
        return (self.node or {"spec": {}}).get("spec", {}).get("taints") or []

    def set_node(self, node: Object | None) -> None:
        """Take over what is known of the node itself."""
        self.node = node
        allocatable = ((node or {}).get("status") or {}).get("allocatable") or {}
        self.allocatable = {name: amount(name, quantity) for name, quantity in allocatable.items()}

    def add(self, pod: Object) -> None:
        """Count a pod."""
        self._keep(pod)
        self.requested = add(self.requested, pod_requests(pod))
        self.scoring_requested = add(self.scoring_requested, scoring_requests(pod))

    def remove(self, uid: str) -> None:
        """Count a pod no more."""
        pod = self.pods.pop(uid)
        self.choosy.pop(uid, None)
        self.requested = add(self.requested, _negative(pod_requests(pod)))
        self.scoring_requested = add(self.scoring_requested, _negative(scoring_requests(pod)))

    def replace(self, pod: Object) -> None:
        """A pod that is counted has changed."""
        uid = pod["metadata"]["uid"]
        if self.pods[uid]["spec"] == pod["spec"]:
            self._keep(pod)
        else:
            self.remove(uid)
            self.add(pod)

    def _keep(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self.pods[uid] = pod
        if affinity_of(pod, "podAffinity") or affinity_of(pod, "podAntiAffinity"):
            self.choosy[uid] = pod


def _negative(amounts: Amounts) -> Amounts:
    return {name: -value for name, value in amounts.items()}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What one scheduling decision is based on.

    `spread_selectors` are those of the Services and ReplicaSets that a pod belongs to, merged;
    empty when there are none. `namespace_labels` gives the labels of a namespace.
    """

    nodes: list[NodeInfo]
    namespace_labels: Callable[[str], dict[str, str]] = lambda _: {}
    spread_selectors: Callable[[Object], list[Callable[[dict[str, str]], bool]]] = lambda _: []

    def pods(self) -> Iterable[tuple[NodeInfo, Object]]:
        """Every pod that is on a node, with its node."""
        return ((node, pod) for node in self.nodes for pod in node.pods.values())

    def choosy_pods(self) -> Iterable[tuple[NodeInfo, Object]]:
        """Those among them with an affinity or anti-affinity of their own."""
        return ((node, pod) for node in self.nodes for pod in node.choosy.values())
