"""Events, Leases, disruption budgets, autoscalers, and kinds named after what they define."""

from __future__ import annotations

from podyard.api import names
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    immutable,
    indexed,
    invalid,
    invalid_all,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.labels import label_selector

_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")


def event(obj: Object) -> Errors:
    """An Event, in either form: it lies in the namespace of what it is about."""
    key = "regarding" if "regarding" in obj else "involvedObject"
    involved = (obj.get(key) or {}).get("namespace") or ""
    own = (obj.get("metadata") or {}).get("namespace") or ""
    # What belongs to the cluster has its events in "default".
    if own != involved and (involved or own != "default"):
        yield invalid(f"{key}.namespace", involved, "does not match event.namespace")


def lease(obj: Object) -> Errors:
    """A Lease."""
    spec = obj.get("spec") or {}
    if spec.get("holderIdentity") == "":
        yield invalid("spec.holderIdentity", "", "must not be empty")
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")


def disruption_budget(obj: Object) -> Errors:
    """A PodDisruptionBudget: one of its two bounds."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for key, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            yield from formats.int_or_percent(f"spec.{key}", value)
            yield from formats.at_most_100_percent(f"spec.{key}", value)
    yield from label_selector("spec.selector", spec.get("selector"))
    policy, policies = spec.get("unhealthyPodEvictionPolicy"), ("AlwaysAllow", "IfHealthyBudget")
    if policy is not None and policy not in policies:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, policies)


def autoscaler(obj: Object) -> Errors:
    """A HorizontalPodAutoscaler, in either version."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for key in ("kind", "name"):
        if not target.get(key):
            yield required(f"spec.scaleTargetRef.{key}")
        else:
            errors = names.is_path_segment_name(target[key])
            yield from invalid_all(f"spec.scaleTargetRef.{key}", target[key], errors)
    percentage = spec.get("targetCPUUtilizationPercentage")
    if percentage is not None and percentage < 1:
        yield invalid("spec.targetCPUUtilizationPercentage", percentage, "must be greater than 0")
    for at, metric in indexed("spec.metrics", spec.get("metrics")):
        yield from one_of(f"{at}.type", metric.get("type"), _METRICS)


def controller_revision_create(obj: Object) -> Errors:
    """A ControllerRevision."""
    if obj.get("data") is None:
        yield required("data", "data is mandatory")
    if (obj.get("revision") or 0) < 0:
        yield invalid("revision", obj["revision"], "must be greater than or equal to 0")


def controller_revision_update(new: Object, old: Object) -> Errors:
    """A ControllerRevision that replaces `old`: its data stays."""
    yield from controller_revision_create(new)
    yield from immutable("data", new.get("data"), old.get("data"))


def custom_resource_definition(obj: Object) -> Errors:
    """A CustomResourceDefinition: it is called by what it defines."""
    spec = obj.get("spec") or {}
    name = (obj.get("metadata") or {}).get("name") or ""
    expected = f"{(spec.get('names') or {}).get('plural')}.{spec.get('group')}"
    if name != expected:
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def api_service(obj: Object) -> Errors:
    """An APIService: it is called by what it serves."""
    spec = obj.get("spec") or {}
    name = (obj.get("metadata") or {}).get("name") or ""
    expected = f"{spec.get('version')}.{spec.get('group') or ''}"
    if name != expected:
        detail = f'must be `spec.version+"."+spec.group`: "{expected}"'
        yield invalid("metadata.name", name, detail)
