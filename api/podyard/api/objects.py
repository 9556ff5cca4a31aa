"""What several components ask of an object."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def is_ready(obj: Object) -> bool:
    """Whether its Ready condition is True."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def controller_of(obj: Object) -> Object | None:
    """The owner reference with `controller: true`, if there is one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None
