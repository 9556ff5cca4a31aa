"""Reading objects and formatting what several printers show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podyard.apiserver.table import NONE, UNSET, Object
from podyard.apiserver.table.durations import since


def dig(obj: Any, *path: str) -> Any:
    """The value at a path of fields, or None."""
    for part in path:
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(part)
    return obj


def items(obj: Any, *path: str) -> list[Any]:
    """The list at a path of fields, empty when there is none."""
    value = dig(obj, *path)
    return value if isinstance(value, list) else []


def count(obj: Any, *path: str) -> int:
    """The number at a path of fields, 0 when there is none."""
    value = dig(obj, *path)
    return value if isinstance(value, int) else 0


def name(obj: Object) -> str:
    """The object's name."""
    return str(dig(obj, "metadata", "name") or "")


def age(obj: Object, now: float) -> str:
    """How long ago the object was created."""
    return since(dig(obj, "metadata", "creationTimestamp"), now)


def created_at(obj: Object) -> str:
    """When the object was created."""
    return str(dig(obj, "metadata", "creationTimestamp") or "")


def labels(value: Any) -> str:
    """A map as "a=b,c=d" (labels.FormatLabels)."""
    if not isinstance(value, Mapping) or not value:
        return NONE
    return ",".join(f"{key}={value[key]}" for key in sorted(value))


def label_selector(selector: Any) -> str:
    """A LabelSelector as "a=b,c in (d,e)" (metav1.FormatLabelSelector)."""
    if not isinstance(selector, Mapping):
        return NONE
    terms: list[tuple[str, str]] = [
        (key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or []:
        terms.append((str(expression.get("key", "")), _expression(expression)))
    return ",".join(text for _, text in sorted(terms)) or NONE


def _expression(expression: Mapping[str, Any]) -> str:
    key, operator = expression.get("key", ""), expression.get("operator")
    if operator == "Exists":
        return f"{key}"
    if operator == "DoesNotExist":
        return f"!{key}"
    verb = "in" if operator == "In" else "notin"
    return f"{key} {verb} ({','.join(sorted(expression.get('values') or []))})"


def containers(pod_spec: Any) -> tuple[str, str]:
    """The names and the images of a pod's containers, parted by commas."""
    found = items(pod_spec, "containers")
    names = ",".join(str(c.get("name", "")) for c in found)
    return names, ",".join(str(c.get("image", "")) for c in found)


def truth(value: Any) -> str:
    """ "True", "False" or "<unset>"."""
    return UNSET if value is None else str(bool(value))


def limited(values: Iterable[str], most: int, empty: str) -> str:
    """The first values, and how many more there are."""
    listed = list(values)
    if not listed:
        return empty
    shown = ",".join(listed[:most])
    return f"{shown} + {len(listed) - most} more..." if len(listed) > most else shown


def condition(obj: Object, kind: str) -> Mapping[str, Any]:
    """The condition of that type in the status, empty when there is none."""
    for found in items(obj, "status", "conditions"):
        if found.get("type") == kind:
            return dict(found)
    return {}


def is_true(obj: Object, kind: str) -> bool:
    """True when the condition of that type is True."""
    return condition(obj, kind).get("status") == "True"
