"""Nodes, and what their pods ask for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from podyard.api.quantities import Format, format_quantity, parse_quantity
from podyard.kubectl.describe.events import describe_events, search_events
from podyard.kubectl.describe.lines import (
    NONE,
    Lines,
    column,
    go_bool,
    heading,
    labels_and_annotations,
)
from podyard.kubectl.durations import age, rfc1123
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session

Object = dict[str, Any]


class Amounts(dict[str, tuple[Decimal, Format]]):
    """Amounts of resources; a sum is written in the manner of its first part (64Mi, 64M)."""

    def include(self, name: str, amount: Decimal, family: Format) -> None:
        """Add to what is there."""
        have, first = self.get(name, (Decimal(0), family))
        self[name] = (have + amount, first)

    def of(self, name: str) -> Decimal:
        """The amount of one resource."""
        return self.get(name, (Decimal(0), "DecimalSI"))[0]

    def text(self, name: str) -> str:
        """It as text."""
        return format_quantity(*self.get(name, (Decimal(0), "DecimalSI")))


_ROLE = "node-role.kubernetes.io/"
_SYSTEM_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)


def node(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A node."""
    lines = Lines()
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    heading(lines, obj, namespace=False)
    lines.named("Roles", ",".join(_roles(obj["metadata"].get("labels") or {})) or NONE)
    labels_and_annotations(lines, obj)
    lines.named("CreationTimestamp", rfc1123(obj["metadata"].get("creationTimestamp")))
    taints = sorted(spec.get("taints") or (), key=lambda one: f"{one.get('effect', '')},{one['key']}")
    column(lines, "Taints", map(_taint, taints))
    lines.named("Unschedulable", go_bool(spec.get("unschedulable")))
    _lease(lines, session, obj["metadata"]["name"])
    _conditions(lines, status)
    lines.add("Addresses:")
    for address in status.get("addresses") or ():
        lines.named(address["type"], address["address"], 1)
    for title, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(field):
            lines.add(f"{title}:")
            for name in sorted(status[field]):
                lines.named(name, status[field][name], 1)
    lines.add("System Info:")
    for title, field in _SYSTEM_INFO:
        lines.named(title, (status.get("nodeInfo") or {}).get(field, ""), 1)
    if spec.get("podCIDR"):
        lines.named("PodCIDR", spec["podCIDR"])
    if spec.get("podCIDRs"):
        lines.named("PodCIDRs", ",".join(spec["podCIDRs"]))
    if spec.get("providerID"):
        lines.named("ProviderID", spec["providerID"])
    _pods(lines, session, obj)
    if events is not None:
        events = events + (search_events(session, obj, uid=obj["metadata"]["name"]) or [])
    describe_events(lines, events)
    return lines.text()


def _roles(labels: Mapping[str, str]) -> list[str]:
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return sorted(roles - {""})


def _taint(taint: Mapping[str, Any]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint.get('effect', '')}"


def _lease(lines: Lines, session: Session, name: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
    try:
        spec = session.transport.json("GET", path).get("spec") or {}
    except CommandError as error:
        lines.named("Lease", f"Failed to get lease: {error}")
        return
    lines.add("Lease:")
    lines.named("HolderIdentity", spec.get("holderIdentity", "<unset>"), 1)
    for title, field in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        lines.named(title, rfc1123(spec[field]) if spec.get(field) else "<unset>", 1)


def _conditions(lines: Lines, status: Mapping[str, Any]) -> None:
    conditions = status.get("conditions") or ()
    if conditions:
        lines.add("Conditions:")
        lines.add("Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage", 1)
        lines.add("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for one in conditions:
        times = f"{rfc1123(one.get('lastHeartbeatTime'))} \t{rfc1123(one.get('lastTransitionTime'))}"
        reason = f"{one.get('reason', '')} \t{one.get('message', '')}"
        lines.add(f"{one.get('type', '')} \t{one.get('status', '')} \t{times} \t{reason}", 1)


def _pods(lines: Lines, session: Session, obj: Object) -> None:
    """The pods of the node and the sum of what they ask for."""
    name = obj["metadata"]["name"]
    fields = f"spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed"
    try:
        found = session.transport.json("GET", "/api/v1/pods", query={"fieldSelector": fields})
    except CommandError:
        lines.named("Pods", "not authorized")
        return
    pods = found.get("items") or []
    status = obj.get("status") or {}
    available = _amounts(status.get("allocatable") or status.get("capacity") or {})
    lines.named("Non-terminated Pods", f"({len(pods)} in total)")
    titles = "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge"
    lines.add(titles, 1)
    lines.add("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    totals = {"requests": Amounts(), "limits": Amounts()}
    for pod in pods:
        metadata = pod["metadata"]
        sums = {kind: pod_resources(pod["spec"], kind) for kind in totals}
        for kind, amounts in sums.items():
            for resource, (amount, family) in amounts.items():
                totals[kind].include(resource, amount, family)
        cells = [
            _share(sums[kind], resource, available)
            for resource in ("cpu", "memory")
            for kind in ("requests", "limits")
        ]
        who = f"{metadata['namespace']}\t{metadata['name']}\t"
        lines.add("\t".join((who, *cells, age(metadata.get("creationTimestamp")))), 1)
    lines.add("Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)")
    lines.add("Resource\tRequests\tLimits", 1)
    lines.add("--------\t--------\t------", 1)
    huge = sorted(name for name in available if name.startswith("hugepages-"))
    for resource in ("cpu", "memory", "ephemeral-storage", *huge):
        shares = [_share(totals[kind], resource, available) for kind in ("requests", "limits")]
        lines.add("\t".join((resource, *shares)), 1)
    for resource in sorted(set(available) - {"cpu", "memory", "ephemeral-storage", "pods", *huge}):
        texts = [totals[kind].text(resource) for kind in ("requests", "limits")]
        lines.add("\t".join((resource, *texts)), 1)


def _amounts(found: Mapping[str, Any]) -> Amounts:
    amounts = Amounts()
    for name, text in found.items():
        amounts.include(name, parse_quantity(text), "BinarySI" if str(text).endswith("i") else "DecimalSI")
    return amounts


def pod_resources(spec: Mapping[str, Any], kind: str) -> Amounts:
    """What a pod asks for: the sum of its containers, or its largest init container if that is more."""
    total = Amounts()
    for container in spec.get("containers") or ():
        for name, amount in _amounts((container.get("resources") or {}).get(kind) or {}).items():
            total.include(name, *amount)
    for container in spec.get("initContainers") or ():
        for name, amount in _amounts((container.get("resources") or {}).get(kind) or {}).items():
            if amount[0] > total.of(name):
                total[name] = amount
    return total


def _share(amounts: Amounts, resource: str, available: Amounts) -> str:
    """An amount and how many percent of the node's it is."""
    amount, whole = amounts.of(resource), available.of(resource)
    if resource != "cpu":
        amount, whole = (value.to_integral_value(ROUND_CEILING) for value in (amount, whole))
    percent = int(amount * 100 / whole) if whole else 0
    return f"{amounts.text(resource)} ({percent}%)"
