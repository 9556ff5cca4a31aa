"""Roles and their bindings (k8s.io/kubernetes pkg/apis/rbac/validation)."""

from __future__ import annotations

from podyard.api.validation.fields import (
    Errors,
    Object,
    indexed,
    invalid,
    not_supported,
    required,
)

_RBAC = "rbac.authorization.k8s.io"


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
