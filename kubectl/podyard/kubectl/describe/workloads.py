"""Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from podyard.api.times import from_rfc3339, human_duration
from podyard.kubectl import replicasets
from podyard.kubectl.describe.events import describe_events
from podyard.kubectl.describe.lines import (
    NONE,
    Lines,
    controlled_by,
    controller,
    go_bool,
    heading,
    label_selector,
    labels_and_annotations,
)
from podyard.kubectl.describe.pods import pod_template
from podyard.kubectl.durations import rfc1123
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session

Object = dict[str, Any]


def deployment(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A Deployment."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    heading(lines, obj)
    lines.named("CreationTimestamp", rfc1123(obj["metadata"].get("creationTimestamp")))
    labels_and_annotations(lines, obj)
    lines.named("Selector", label_selector(spec["selector"]))
    counts = [f"{spec.get('replicas', 1)} desired"]
    for word, field in (
        ("updated", "updatedReplicas"),
        ("total", "replicas"),
        ("available", "availableReplicas"),
        ("unavailable", "unavailableReplicas"),
    ):
        counts.append(f"{status.get(field, 0)} {word}")
    lines.named("Replicas", " | ".join(counts))
    strategy = spec.get("strategy") or {}
    lines.named("StrategyType", strategy.get("type", ""))
    lines.named("MinReadySeconds", spec.get("minReadySeconds", 0))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        limits = f"{rolling.get('maxUnavailable', 0)} max unavailable, {rolling.get('maxSurge', 0)} max surge"
        lines.named("RollingUpdateStrategy", limits)
    pod_template(lines, spec["template"])
    _conditions(lines, status)
    _revisions(lines, session, obj)
    describe_events(lines, events)
    return lines.text()


def _conditions(lines: Lines, status: Object) -> None:
    conditions = status.get("conditions") or ()
    if conditions:
        lines.add("Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------")
    for one in conditions:
        lines.add(f"{one['type']} \t{one.get('status', '')}\t{one.get('reason', '')}", 1)


def _revisions(lines: Lines, session: Session, obj: Object) -> None:
    try:
        found = replicasets.owned(session, obj)
    except CommandError:
        return
    new = replicasets.newest(obj, found)
    old = [one for one in found if one is not new]
    if found:
        lines.named("OldReplicaSets", ", ".join(map(_revision, old)) or NONE)
        lines.named("NewReplicaSet", _revision(new) if new else NONE)


def _revision(one: Object) -> str:
    created = (one.get("status") or {}).get("replicas", 0)
    return f"{one['metadata']['name']} ({created}/{one['spec'].get('replicas', 1)} replicas created)"


def pods_status(session: Session, obj: Object) -> str:
    """How many pods of a workload are in which phase."""
    metadata = obj["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods"
    query = {"labelSelector": label_selector(obj["spec"].get("selector"))}
    items = session.transport.json("GET", path, query=query).get("items") or ()
    phases = Counter(
        (item.get("status") or {}).get("phase", "")
        for item in items
        if (controller(item) or {}).get("uid") == metadata.get("uid")
    )
    names = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))
    return " / ".join(f"{phases[phase]} {word}" for phase, word in names)


def replica_set(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A ReplicaSet."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    heading(lines, obj)
    lines.named("Selector", label_selector(spec.get("selector")))
    labels_and_annotations(lines, obj)
    controlled_by(lines, obj)
    lines.named("Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    lines.named("Pods Status", pods_status(session, obj))
    pod_template(lines, spec["template"])
    _conditions(lines, status)
    describe_events(lines, events)
    return lines.text()


def stateful_set(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A StatefulSet."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    heading(lines, obj)
    lines.named("CreationTimestamp", rfc1123(obj["metadata"].get("creationTimestamp")))
    lines.named("Selector", label_selector(spec.get("selector")))
    labels_and_annotations(lines, obj)
    lines.named("Replicas", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    strategy = spec.get("updateStrategy") or {}
    lines.named("Update Strategy", strategy.get("type", ""))
    if (strategy.get("rollingUpdate") or {}).get("partition") is not None:
        lines.named("Partition", strategy["rollingUpdate"]["partition"], 1)
    lines.named("Pods Status", pods_status(session, obj))
    pod_template(lines, spec["template"])
    claims = spec.get("volumeClaimTemplates") or ()
    lines.add("Volume Claims:" if claims else f"Volume Claims:\t{NONE}")
    for claim in claims:
        lines.named("Name", claim["metadata"]["name"], 1)
        wanted = claim.get("spec") or {}
        requests = (wanted.get("resources") or {}).get("requests") or {}
        lines.named("StorageClass", wanted.get("storageClassName", ""), 1)
        lines.named("Capacity", requests.get("storage", "<default>"), 1)
        lines.named("Access Modes", f"[{' '.join(wanted.get('accessModes') or ())}]", 1)
    describe_events(lines, events)
    return lines.text()


def daemon_set(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A DaemonSet."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    lines.named("Name", obj["metadata"]["name"])
    lines.named("Namespace", obj["metadata"].get("namespace", ""))
    lines.named("Selector", label_selector(spec.get("selector")))
    nodes = (spec["template"].get("spec") or {}).get("nodeSelector") or {}
    lines.named("Node-Selector", ",".join(f"{key}={nodes[key]}" for key in sorted(nodes)) or NONE)
    labels_and_annotations(lines, obj)
    for text, field in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        lines.add(f"{text}: {status.get(field, 0)}")
    lines.named("Pods Status", pods_status(session, obj))
    pod_template(lines, spec["template"])
    describe_events(lines, events)
    return lines.text()


def job(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A Job."""
    lines = Lines()
    spec, status = obj["spec"], obj.get("status") or {}
    heading(lines, obj)
    lines.named("Selector", label_selector(spec.get("selector")))
    labels_and_annotations(lines, obj)
    controlled_by(lines, obj)
    if "parallelism" in spec:
        lines.named("Parallelism", spec["parallelism"])
    lines.named("Completions", spec.get("completions", "<unset>"))
    if "completionMode" in spec:
        lines.named("Completion Mode", spec["completionMode"])
    if "suspend" in spec:
        lines.named("Suspend", go_bool(spec["suspend"]))
    for name, field in (
        ("Backoff Limit", "backoffLimit"),
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ):
        if field in spec:
            lines.named(name, spec[field])
    started, completed = status.get("startTime"), status.get("completionTime")
    if started:
        lines.named("Start Time", rfc1123(started))
    if completed:
        lines.named("Completed At", rfc1123(completed))
    if started and completed:
        lines.named("Duration", human_duration(from_rfc3339(completed) - from_rfc3339(started)))
    if "activeDeadlineSeconds" in spec:
        lines.named("Active Deadline Seconds", f"{spec['activeDeadlineSeconds']}s")
    ready = f" ({status['ready']} Ready)" if "ready" in status else ""
    succeeded, failed = status.get("succeeded", 0), status.get("failed", 0)
    lines.named(
        "Pods Statuses", f"{status.get('active', 0)} Active{ready} / {succeeded} Succeeded / {failed} Failed"
    )
    if spec.get("completionMode") == "Indexed":
        lines.named("Completed Indexes", status.get("completedIndexes") or NONE)
    pod_template(lines, spec["template"])
    describe_events(lines, events)
    return lines.text()
