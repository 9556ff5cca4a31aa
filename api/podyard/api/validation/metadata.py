"""Object metadata: names by kind, labels, annotations, owners, finalizers, and what never changes.

Source: k8s.io/apimachinery pkg/api/validation/objectmeta.go, k8s.io/kubernetes
pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable

from podyard.api import names
from podyard.api.resources import Resource
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    immutable,
    indexed,
    invalid,
    invalid_all,
    non_negative,
    required,
    show,
)
from podyard.api.validation.formats import parse_ip
from podyard.api.validation.labels import labels, object_annotations

NameRule = Callable[[str], list[str]]

_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def _ip_name(name: str) -> list[str]:
    address = parse_ip(name)
    return [] if address is not None and str(address) == name else ["must be a valid IP address"]


_RBAC = "rbac.authorization.k8s.io"
_NAME_RULES: dict[tuple[str, str], NameRule] = {
    ("", "Namespace"): names.is_dns1123_label,
    ("", "Service"): names.is_dns1035_label,
    ("", "Event"): names.is_path_segment_name,
    ("events.k8s.io", "Event"): names.is_path_segment_name,
    (_RBAC, "Role"): names.is_path_segment_name,
    (_RBAC, "ClusterRole"): names.is_path_segment_name,
    (_RBAC, "RoleBinding"): names.is_path_segment_name,
    (_RBAC, "ClusterRoleBinding"): names.is_path_segment_name,
    ("apiregistration.k8s.io", "APIService"): names.is_path_segment_name,
    ("networking.k8s.io", "IPAddress"): _ip_name,
}
"""How objects of a kind may be called; those not listed have DNS names."""


def create(resource: Resource, obj: Object) -> Errors:
    """The metadata of a new object, after a name has been generated and the namespace filled in."""
    meta = obj.get("metadata") or {}
    rule = _NAME_RULES.get((resource.group, resource.kind), names.is_dns1123_subdomain)
    if prefix := meta.get("generateName"):
        yield from invalid_all("metadata.generateName", prefix, rule(_as_generated(prefix)))
    if name := meta.get("name"):
        yield from invalid_all("metadata.name", name, rule(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    yield from _namespace(resource, meta.get("namespace"))
    yield from non_negative("metadata.generation", meta.get("generation"))
    yield from _common(meta)


def update(new: Object, old: Object) -> Errors:
    """The metadata of an object that replaces `old`. Times that are left out count as kept."""
    meta, before = new.get("metadata") or {}, old.get("metadata") or {}
    if before.get("deletionTimestamp"):
        yield from _no_new_finalizers(meta.get("finalizers"), before.get("finalizers"))
    if (meta.get("generation") or 0) < (before.get("generation") or 0):
        yield invalid("metadata.generation", meta.get("generation") or 0, "must not be decremented")
    for key in ("name", "namespace"):
        yield from immutable(f"metadata.{key}", meta.get(key), before.get(key))
    for key in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(key) is not None:
            yield from immutable(f"metadata.{key}", meta[key], before.get(key))
    yield from _common(meta)


def _namespace(resource: Resource, namespace: str | None) -> Errors:
    if not resource.namespaced:
        if namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield required("metadata.namespace")
    else:
        yield from invalid_all("metadata.namespace", namespace, names.is_dns1123_label(namespace))


def _common(meta: Object) -> Errors:
    yield from labels("metadata.labels", meta.get("labels"))
    yield from object_annotations("metadata.annotations", meta.get("annotations"))
    yield from _owners(meta.get("ownerReferences") or [])
    yield from _finalizers(meta.get("finalizers") or [])


def _as_generated(prefix: str) -> str:
    """The prefix as it will look in a name: a hyphen at its end will not be the name's last letter."""
    return prefix[:-1] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def _owners(owners: list[Object]) -> Errors:
    path = "metadata.ownerReferences"
    controller = ""
    for owner in owners:
        if owner.get("apiVersion") in (None, "") or str(owner["apiVersion"]).endswith("/"):
            yield invalid(f"{path}.apiVersion", owner.get("apiVersion") or "", "version must not be empty")
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                yield invalid(f"{path}.{key}", "", "must not be empty")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            yield invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller"):
            this = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                detail = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {this}'
                )
                yield invalid(path, owners, detail)
            controller = controller or this


def _finalizers(finalizers: list[str]) -> Errors:
    path = "metadata.finalizers"
    for name in finalizers:
        yield from invalid_all(path, name, names.is_qualified_name(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        yield invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")
    for at, name in indexed(path, finalizers):
        yield from standard_finalizer(at, name)


def standard_finalizer(path: str, name: str) -> Errors:
    """A finalizer without a domain must be one of Kubernetes' own three."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        yield invalid(path, name, detail)


def _no_new_finalizers(new: list[str] | None, old: list[str] | None) -> Errors:
    if extra := sorted(set(new or ()) - set(old or ())):
        # Go's %#v of a list of strings.
        listed = "[]string{" + ", ".join(show(name) for name in extra) + "}"
        yield forbidden(
            "metadata.finalizers",
            f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}",
        )
