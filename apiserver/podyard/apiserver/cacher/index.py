"""What objects can be found by, besides their names."""

from __future__ import annotations

from typing import Any

from podyard.apiserver.cacher.selection import Entry
from podyard.apiserver.registry.strategies.service_fields import cluster_ips, node_ports

Key = tuple[str, str]
"""(namespace, name)"""

UNIQUE = frozenset({"services"})
"""The resources whose values belong to one object alone: see `Store.holders`."""


def index_values(group_resource: str, obj: dict[str, Any]) -> tuple[str, ...]:
    """A pod's node; a Service's addresses and node ports."""
    spec = obj.get("spec") or {}
    if group_resource == "pods":
        return (spec["nodeName"],) if spec.get("nodeName") else ()
    if group_resource == "services":
        return (*cluster_ips(spec), *map(str, node_ports(spec)))
    return ()


class Index:
    """The objects of one resource by each of their values."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Key, Entry]] = {}

    def find(self, value: str) -> list[Entry]:
        """The objects that have it."""
        return list(self._found.get(value, {}).values())

    def replace(self, key: Key, old: Entry | None, new: Entry | None) -> None:
        """An object is new (`old` is None), has changed, or is gone (`new` is None)."""
        before, after = old.values if old else (), new.values if new else ()
        for value in before:
            if value not in after:
                there = self._found[value]
                del there[key]
                if not there:
                    del self._found[value]
        for value in after:
            self._found.setdefault(value, {})[key] = new  # type: ignore[assignment]
