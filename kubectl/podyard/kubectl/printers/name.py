"""One line an object: "service/x created"."""

from __future__ import annotations

from typing import Any


def name_line(obj: dict[str, Any], operation: str = "") -> str:
    """The line of an object, or those of a List's items."""
    if isinstance(obj.get("items"), list) and str(obj.get("kind", "")).endswith("List"):
        return "".join(name_line(item, operation) for item in obj["items"])
    said = f" {operation}" if operation else ""
    return f"{kind_and_name(obj)}{said}\n"


def kind_and_name(obj: dict[str, Any]) -> str:
    """ "deployment.apps/x"."""
    group, _, _ = str(obj.get("apiVersion", "")).rpartition("/")
    kind = str(obj.get("kind") or "<unknown>").lower()
    name = obj.get("metadata", {}).get("name") or "<unknown>"
    return f"{kind}.{group}/{name}" if group else f"{kind}/{name}"
