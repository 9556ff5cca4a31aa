"""Pods, and the pod templates of workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podyard.kubectl.describe.containers import describe_containers
from podyard.kubectl.describe.events import describe_events
from podyard.kubectl.describe.lines import (
    NONE,
    Lines,
    annotation_lines,
    column,
    controlled_by,
    heading,
    label_selector,
    labels_and_annotations,
    pairs,
)
from podyard.kubectl.describe.volumes import describe_volumes
from podyard.kubectl.durations import age, rfc1123
from podyard.kubectl.session import Session

Object = dict[str, Any]


def pod(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A pod."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    heading(lines, obj)
    _placement(lines, spec, status)
    labels_and_annotations(lines, obj)
    _phase(lines, obj, status)
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile:
        lines.named("SeccompProfile", profile.get("type", ""))
    _addresses(lines, status)
    controlled_by(lines, obj)
    if status.get("nominatedNodeName"):
        lines.named("NominatedNodeName", status["nominatedNodeName"])
    for label, field, statuses in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(field) or field == "containers":
            describe_containers(lines, label, spec.get(field) or (), status.get(statuses) or (), obj)
    _conditions(lines, spec, status)
    describe_volumes(lines, spec.get("volumes"))
    lines.named("QoS Class", status.get("qosClass") or qos_class(spec))
    pairs(lines, "Node-Selectors", spec.get("nodeSelector"))
    tolerations(lines, "Tolerations", spec.get("tolerations"))
    _spreading(lines, spec.get("topologySpreadConstraints"))
    describe_events(lines, events)
    return lines.text()


def _placement(lines: Lines, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    for name, field in (
        ("Priority", "priority"),
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(field) not in (None, ""):
            lines.named(name, spec[field])
    node = spec.get("nodeName")
    lines.named("Node", f"{node}/{status.get('hostIP', '')}" if node else NONE)
    if status.get("startTime"):
        lines.named("Start Time", rfc1123(status["startTime"]))


def _phase(lines: Lines, obj: Object, status: Mapping[str, Any]) -> None:
    metadata = obj["metadata"]
    phase = status.get("phase", "")
    if metadata.get("deletionTimestamp") and phase not in ("Failed", "Succeeded"):
        lines.named("Status", f"Terminating (lasts {age(metadata['deletionTimestamp'])})")
        lines.named("Termination Grace Period", f"{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        lines.named("Status", phase)
    for name, field in (("Reason", "reason"), ("Message", "message")):
        if status.get(field):
            lines.named(name, status[field])


def _addresses(lines: Lines, status: Mapping[str, Any]) -> None:
    lines.named("IP", status.get("podIP", ""))
    addresses = status.get("podIPs") or ()
    lines.add("IPs:" if addresses else f"IPs:\t{NONE}")
    for address in addresses:
        lines.named("IP", address.get("ip", ""), 1)


def _conditions(lines: Lines, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    conditions = {found["type"]: found.get("status", "") for found in status.get("conditions") or ()}
    gates = spec.get("readinessGates") or ()
    if gates:
        lines.add("Readiness Gates:\n  Type\tStatus")
    for gate in gates:
        kind = gate["conditionType"]
        lines.add(f"{kind} \t{conditions.get(kind, NONE)} ", 1)
    if conditions:
        lines.add("Conditions:\n  Type\tStatus")
    for kind, truth in conditions.items():
        lines.add(f"{kind} \t{truth} ", 1)


def qos_class(spec: Mapping[str, Any]) -> str:
    """BestEffort, Burstable or Guaranteed, by the resources that the containers ask for."""
    requests: set[str] = set()
    guaranteed = True
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        asked, limits = resources.get("requests") or {}, resources.get("limits") or {}
        requests |= {name for name in ("cpu", "memory") if name in asked or name in limits}
        guaranteed &= all(
            name in limits and asked.get(name, limits[name]) == limits[name] for name in ("cpu", "memory")
        )
    if not requests:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def tolerations(lines: Lines, title: str, found: Sequence[Mapping[str, Any]] | None) -> None:
    """Tolerations, one a line."""
    listed = sorted(found or (), key=lambda one: str(one.get("key", "")))
    column(lines, title, map(_toleration, listed))


def _toleration(one: Mapping[str, Any]) -> str:
    text = str(one.get("key") or "")
    text += f"={one['value']}" if one.get("value") else ""
    text += f":{one['effect']}" if one.get("effect") else ""
    if one.get("operator") == "Exists" and not one.get("value"):
        text += " op=Exists" if one.get("key") or one.get("effect") else "op=Exists"
    return text + (f" for {one['tolerationSeconds']}s" if one.get("tolerationSeconds") is not None else "")


def _spreading(lines: Lines, constraints: Sequence[Mapping[str, Any]] | None, space: str = "") -> None:
    if not constraints:
        return
    listed = []
    for one in sorted(constraints, key=lambda one: str(one["topologyKey"])):
        selector = f" for selector {label_selector(one['labelSelector'])}" if one.get("labelSelector") else ""
        skew = f" when max skew {one['maxSkew']} is exceeded"
        listed.append(f"{one['topologyKey']}:{one['whenUnsatisfiable']}{skew}{selector}")
    column(lines, "Topology Spread Constraints", listed, space)


def pod_template(lines: Lines, template: Mapping[str, Any]) -> None:
    """The template of the pods that a workload makes."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    lines.add("Pod Template:")
    pairs(lines, "  Labels", metadata.get("labels"))
    if metadata.get("annotations"):
        annotation_lines(lines, "  Annotations", metadata["annotations"])
    if spec.get("serviceAccountName"):
        lines.named("Service Account", spec["serviceAccountName"], 1)
    if spec.get("initContainers"):
        describe_containers(lines, "Init Containers", spec["initContainers"], (), None, "  ")
    describe_containers(lines, "Containers", spec.get("containers") or (), (), None, "  ")
    describe_volumes(lines, spec.get("volumes"), "  ")
    _spreading(lines, spec.get("topologySpreadConstraints"), "  ")
    if spec.get("priorityClassName"):
        lines.named("Priority Class Name", spec["priorityClassName"], 1)
    pairs(lines, "  Node-Selectors", spec.get("nodeSelector"))
    tolerations(lines, "  Tolerations", spec.get("tolerations"))
