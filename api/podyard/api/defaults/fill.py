"""The few verbs that every defaulting function is written with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]


def set_default(obj: Object, key: str, value: Any) -> None:
    """Set a field that is absent, null or "" (a zero counts as given: a pointer in Kubernetes)."""
    if obj.get(key) in (None, ""):
        obj[key] = value


def set_zero_default(obj: Object, key: str, value: Any) -> None:
    """Set a field that Kubernetes keeps by value, where 0 and left out are the same thing."""
    if not obj.get(key):
        obj[key] = value


def child(obj: Object, key: str) -> Object:
    """The object in that field, made empty when it is absent or null."""
    found: Object | None = obj.get(key)
    if found is None:
        found = obj[key] = {}
    return found


def items(obj: Object | None, key: str) -> list[Object]:
    """The objects in that list field, none when the field or `obj` itself is absent or null."""
    return (obj or {}).get(key) or []


def each(obj: Object | None, key: str, function: Callable[[Object], None]) -> None:
    """Apply `function` to every object of a list field."""
    for item in items(obj, key):
        function(item)
