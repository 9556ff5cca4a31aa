"""Nodes, Namespaces, quotas and limits, PriorityClasses, RBAC, storage (core and their own validation)."""

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
    not_supported,
    required,
)
from podyard.api.validation.metadata import standard_finalizer
from podyard.api.validation.scheduling import taints

_RBAC = "rbac.authorization.k8s.io"
_MAX_USER_PRIORITY = 1_000_000_000
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def node_create(node: Object) -> Errors:
    """A Node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    yield from taints("metadata.taints", spec.get("taints"))
    for key in ("capacity", "allocatable"):
        yield from quantities.amounts(f"status.{key}", status.get(key))
    networks = spec.get("podCIDRs") or []
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
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
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


def role(obj: Object) -> Errors:
    """A Role or ClusterRole: what its rules must name."""
    for at, rule in indexed("rules", obj.get("rules")):
        if not rule.get("verbs"):
            yield required(f"{at}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(f"{at}.nonResourceURLs", rule["nonResourceURLs"], detail)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{at}.resources", "resource rules must supply at least one resource")


def role_binding_create(obj: Object) -> Errors:
    """A RoleBinding or ClusterRoleBinding."""
    reference = obj.get("roleRef") or {}
    kinds = ("ClusterRole",) if obj.get("kind") == "ClusterRoleBinding" else ("ClusterRole", "Role")
    if reference.get("apiGroup") != _RBAC:
        yield not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", (_RBAC,))
    if reference.get("kind") not in kinds:
        yield not_supported("roleRef.kind", reference.get("kind") or "", kinds)
    if not reference.get("name"):
        yield required("roleRef.name")
    for at, subject in indexed("subjects", obj.get("subjects")):
        yield from _subject(at, subject, namespaced=obj.get("kind") == "RoleBinding")


def _subject(path: str, subject: Object, *, namespaced: bool) -> Errors:
    kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
    if not subject.get("name"):
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind not in ("Group", "User"):
        yield not_supported(f"{path}.kind", kind, ("Group", "ServiceAccount", "User"))
    elif group != _RBAC:
        yield not_supported(f"{path}.apiGroup", group, (_RBAC,))


def role_binding_update(new: Object, old: Object) -> Errors:
    """A binding that replaces `old`: the role stays."""
    yield from role_binding_create(new)
    if new.get("roleRef") != old.get("roleRef"):
        yield invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


def storage_class_create(obj: Object) -> Errors:
    """A StorageClass."""
    if not obj.get("provisioner"):
        yield required("provisioner")
    for key, allowed in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        if obj.get(key) not in (None, *allowed):
            yield not_supported(key, obj[key], allowed)


def storage_class_update(new: Object, old: Object) -> Errors:
    """A StorageClass that replaces `old`: what it makes stays."""
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        if (new.get(key) or None) != (old.get(key) or None):
            yield forbidden(key, f"updates to {key} are forbidden.")
    yield from immutable("volumeBindingMode", new.get("volumeBindingMode"), old.get("volumeBindingMode"))


def claim_create(obj: Object) -> Errors:
    """A PersistentVolumeClaim."""
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    amount = quantities.value(size or "1")
    if size is None:
        yield required("spec.resources[storage]")
    elif amount is not None and amount <= 0:
        yield invalid("spec.resources[storage]", size, "must be greater than zero")
    else:
        yield from quantities.quantity("spec.resources[storage]", "storage", size)
    if spec.get("storageClassName"):
        yield from formats.dns_subdomain("spec.storageClassName", spec["storageClassName"])
    yield from _volume_mode(spec)


def claim_update(new: Object, old: Object) -> Errors:
    """A PersistentVolumeClaim that replaces `old`: only its size may change, once it is bound."""
    yield from claim_create(new)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    mutable = {"resources"} if (old.get("status") or {}).get("phase") == "Bound" else set()
    mutable |= {key for key in ("volumeName", "storageClassName") if not before.get(key)}
    kept, was = ({k: v for k, v in each.items() if k not in mutable and v} for each in (spec, before))
    if kept != was:
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName "
            "for bound claims"
        )
        yield forbidden("spec", detail)


def volume_create(obj: Object) -> Errors:
    """A PersistentVolume."""
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    if not spec.get("capacity"):
        yield required("spec.capacity")
    for name, text in (spec.get("capacity") or {}).items():
        yield from quantities.quantity(f"spec.capacity[{name}]", name, text)
    policies = ("Delete", "Recycle", "Retain")
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy not in (None, "", *policies):
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, policies)
    yield from _volume_mode(spec)


def _access_modes(spec: Object) -> Errors:
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield not_supported("spec.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        yield forbidden("spec.accessModes", detail)


def _volume_mode(spec: Object) -> Errors:
    mode = spec.get("volumeMode")
    if mode is not None and mode not in ("Block", "Filesystem"):
        yield not_supported("spec.volumeMode", mode, ("Block", "Filesystem"))
