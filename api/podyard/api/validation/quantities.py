"""Resource names and quantities: requests, limits, capacities (core/validation)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from podyard.api import names
from podyard.api.quantities import parse_quantity
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    indexed,
    invalid,
    not_found,
    not_supported,
    required,
)

_CONTAINER = ("cpu", "memory", "ephemeral-storage")
_STANDARD = (
    *_CONTAINER,
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
)
_INTEGERS = (
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
)
_HUGE_PAGES = "hugepages-"


def value(text: Any) -> Decimal | None:
    """The number, or None when the text is no quantity."""
    try:
        return parse_quantity(text)
    except ValueError:
        return None


def quantity(path: str, resource: str, text: Any) -> Errors:
    """An amount of a resource: not negative, and whole where the resource is counted."""
    try:
        amount = parse_quantity(text)
    except ValueError as error:
        yield invalid(path, text, str(error))
        return
    if amount < 0:
        yield invalid(path, text, "must be greater than or equal to 0")
    if _is_counted(resource) and amount != amount.to_integral_value():
        yield invalid(path, text, "must be an integer")


def amounts(path: str, given: Object | None) -> Errors:
    """A map of resources to amounts, such as a Node's capacity; errors stand at "path.resource"."""
    for name, text in (given or {}).items():
        yield from quantity(f"{path}.{name}", name, text)


def quota_amounts(path: str, given: Object | None) -> Errors:
    """A ResourceQuota's map of what is limited; errors stand at "path[resource]"."""
    for name, text in (given or {}).items():
        at = f"{path}[{name}]"
        yield from _quota_name(at, name)
        yield from quantity(at, name, text)


def container_requirements(path: str, requirements: Object | None, claims: set[str]) -> Errors:
    """The `resources` of a container."""
    yield from _requirements(path, requirements or {}, _container_name)
    yield from _claims(f"{path}.claims", requirements or {}, claims)


def pod_requirements(path: str, requirements: Object | None) -> Errors:
    """The `resources` of a whole pod."""
    if not requirements:
        return
    if requirements.get("claims"):
        yield forbidden(f"{path}.claims", "claims cannot be set for Resources at pod-level")
    yield from _requirements(path, requirements, _pod_name)


def _requirements(path: str, requirements: Object, name_rule: Callable[[str, str], Errors]) -> Errors:
    limits = requirements.get("limits") or {}
    requests = requirements.get("requests") or {}
    for key, given in (("limits", limits), ("requests", requests)):
        for name, text in given.items():
            at = f"{path}.{key}[{name}]"
            yield from name_rule(at, name)
            yield from quantity(at, name, text)
            if key == "requests":
                yield from _within_limit(path, name, text, limits)
    used = {*limits, *requests}
    if not used & {"cpu", "memory"} and any(name.startswith(_HUGE_PAGES) for name in used):
        yield forbidden(path, "HugePages require cpu or memory")


def _within_limit(path: str, name: str, text: Any, limits: Object) -> Errors:
    if name not in limits:
        if not _overcommit_allowed(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    request, limit = value(text), value(limits[name])
    if request is None or limit is None:
        return
    if request != limit and not _overcommit_allowed(name):
        yield invalid(f"{path}.requests", text, f"must be equal to {name} limit of {limits[name]}")
    elif request > limit:
        detail = f"must be less than or equal to {name} limit of {limits[name]}"
        yield invalid(f"{path}.requests", text, detail)


def _claims(path: str, requirements: Object, known: set[str]) -> Errors:
    seen: set[str] = set()
    for at, claim in indexed(path, requirements.get("claims")):
        name = claim.get("name")
        if not name:
            yield required(at)
            continue
        key = f"{name}/{claim['request']}" if claim.get("request") else name
        if key in seen:
            yield duplicate(at, key)
        seen.add(key)
        if name not in known:
            listed = ": " + ", ".join(sorted(known)) if known else " which is empty"
            yield not_found(at, name, f"must be one of the names in pod.spec.resourceClaims{listed}")


def resource_name(path: str, name: str) -> Errors:
    """A resource's name: a standard one, or one with a domain."""
    errors = names.is_qualified_name(name)
    for error in errors:
        yield invalid(path, name, error)
    if not errors and "/" not in name and name not in _STANDARD and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def _container_name(path: str, name: str) -> Errors:
    yield from resource_name(path, name)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(_HUGE_PAGES):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not _is_native(name) and not _is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def _pod_name(path: str, name: str) -> Errors:
    if name not in ("cpu", "memory") and not name.startswith(_HUGE_PAGES):
        yield not_supported(path, name, ("cpu", _HUGE_PAGES, "memory"))


def _quota_name(path: str, name: str) -> Errors:
    errors = names.is_qualified_name(name)
    for error in errors:
        yield invalid(path, name, error)
    standard = name in _STANDARD or name.removeprefix("requests.").startswith(_HUGE_PAGES)
    if not errors and "/" not in name and not standard:
        yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for quota")


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    if _is_native(name) or name.startswith("requests."):
        return False
    return not names.is_qualified_name(f"requests.{name}")


def _overcommit_allowed(name: str) -> bool:
    return _is_native(name) and not name.startswith(_HUGE_PAGES)


def _is_counted(name: str) -> bool:
    return name in _INTEGERS or _is_extended(name)
