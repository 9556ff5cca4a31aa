"""Nodes, Namespaces, quotas, limits and PriorityClasses (core and scheduling validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.validation import formats, quantities
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    immutable,
    indexed,
    invalid,
    invalid_all,
)
from podyard.api.validation.metadata import standard_finalizer
from podyard.api.validation.scheduling import taints

_MAX_USER_PRIORITY = 1_000_000_000


def pod_networks(spec: Object) -> list[str]:
    """A NodeSpec's podCIDRs, of which podCIDR is the first and, where they differ, the one that counts.

    Source: Convert_v1_NodeSpec_To_core_NodeSpec (pkg/apis/core/v1/conversion.go).
    """
    first, networks = spec.get("podCIDR"), spec.get("podCIDRs") or []
    return [first] if first and networks[:1] != [first] else networks


def node_create(node: Object) -> Errors:
    """A Node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    yield from taints("metadata.taints", spec.get("taints"))
    for key in ("capacity", "allocatable"):
        yield from quantities.amounts(f"status.{key}", status.get(key))
    networks = pod_networks(spec)
    for at, network in indexed("spec.podCIDRs", networks):
        yield from formats.cidr(at, network)
    if len({":" in network for network in networks}) < len(networks):
        detail = "may specify no more than one CIDR for each IP family"
        yield invalid("spec.podCIDRs", networks, detail)


def node_update(new: Object, old: Object) -> Errors:
    """A Node that replaces `old`: its pod network and provider id stay once they are set."""
    yield from node_create(new)
    seen: list[Object] = []
    for at, address in indexed("status.addresses", (new.get("status") or {}).get("addresses")):
        if address in seen:
            yield duplicate(at, address)
        seen.append(address)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if (networks := pod_networks(before)) and pod_networks(spec) != networks:
        detail = 'node updates may not change podCIDR except from "" to valid'
        yield forbidden("spec.podCIDRs", detail)
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        detail = 'node updates may not change providerID except from "" to valid'
        yield forbidden("spec.providerID", detail)


def namespace(obj: Object) -> Errors:
    """A Namespace: its own finalizers."""
    for name in (obj.get("spec") or {}).get("finalizers") or []:
        yield from invalid_all("spec.finalizers", name, names.is_qualified_name(name))
        yield from standard_finalizer("spec.finalizers", name)


def limit_range(obj: Object) -> Errors:
    """A LimitRange: for each resource minimum ≤ default request ≤ default ≤ maximum."""
    seen: set[str] = set()
    for at, limit in indexed("spec.limits", (obj.get("spec") or {}).get("limits")):
        kind = limit.get("type") or ""
        if kind not in ("Container", "PersistentVolumeClaim", "Pod") and "/" not in kind:
            detail = "must be a standard limit type or fully qualified"
            yield invalid(f"{at}.type", kind, detail)
        if kind in seen:
            yield duplicate(f"{at}.type", kind)
        seen.add(kind)
        for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            if kind == "Pod" and key.startswith("default") and limit.get(key):
                yield forbidden(f"{at}.{key}", "may not be specified when `type` is 'Pod'")
            for name, text in (limit.get(key) or {}).items():
                yield from quantities.resource_name(f"{at}.{key}[{name}]", name)
                yield from quantities.quantity(f"{at}.{key}[{name}]", name, text)
        yield from _ordered(at, limit)


def _ordered(path: str, limit: Object) -> Errors:
    """Each pair that must be in order: the field that is told wrong, and how the two are called."""
    pairs = (
        ("min", "min", "min value", "max", "max value"),
        ("defaultRequest", "min", "min value", "defaultRequest", "default request value"),
        ("defaultRequest", "defaultRequest", "default request value", "max", "max value"),
        ("defaultRequest", "defaultRequest", "default request value", "default", "default limit value"),
        ("default", "min", "min value", "default", "default value"),
        ("default", "default", "default value", "max", "max value"),
    )
    for field, low, low_name, high, high_name in pairs:
        for name, text in (limit.get(low) or {}).items():
            bound = (limit.get(high) or {}).get(name)
            small, large = quantities.value(text), quantities.value(bound or "0")
            if bound is not None and small is not None and large is not None and small > large:
                shown = (limit.get(field) or {}).get(name)
                detail = f"{low_name} {text} is greater than {high_name} {bound}"
                yield invalid(f"{path}.{field}[{name}]", shown, detail)


def resource_quota_create(obj: Object) -> Errors:
    """A ResourceQuota."""
    yield from quantities.quota_amounts("spec.hard", (obj.get("spec") or {}).get("hard"))


def resource_quota_update(new: Object, old: Object) -> Errors:
    """A ResourceQuota that replaces `old`: its scopes stay."""
    yield from resource_quota_create(new)
    now, before = ((obj.get("spec") or {}).get("scopes") or [] for obj in (new, old))
    if set(now) != set(before):
        yield invalid("spec.scopes", now, "field is immutable")


def priority_class_create(obj: Object) -> Errors:
    """A PriorityClass: names and values that Kubernetes keeps for itself."""
    name = (obj.get("metadata") or {}).get("name") or ""
    value = obj.get("value") or 0
    if name.startswith("system-"):
        known = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
        if known.get(name) != value:
            detail = "priority class names with 'system-' prefix are reserved for system use only"
            yield forbidden("metadata.name", f"{detail}. error: {name} is not a known system priority class")
    elif value > _MAX_USER_PRIORITY:
        detail = f"maximum allowed value of a user defined priority is {_MAX_USER_PRIORITY}"
        yield forbidden("value", detail)


def priority_class_update(new: Object, old: Object) -> Errors:
    """A PriorityClass that replaces `old`: its value stays."""
    if (new.get("value") or 0) != (old.get("value") or 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from immutable("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))
