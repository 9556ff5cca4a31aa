"""What several components ask of an object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


def is_ready(obj: Object) -> bool:
    """Whether its Ready condition is True."""
    ready = find_condition((obj.get("status") or {}).get("conditions"), "Ready")
    return ready is not None and ready["status"] == "True"


def find_condition(conditions: Iterable[Object] | None, type_: str) -> Object | None:
    """The condition of a type, or None."""
    return next((one for one in conditions or () if one["type"] == type_), None)


def controller_of(obj: Object) -> Object | None:
    """The owner reference with `controller: true`, if there is one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None
