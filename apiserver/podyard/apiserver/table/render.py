"""From objects to a Table (meta.k8s.io)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from podyard.api.resources import Resource
from podyard.apiserver.table import (
    AGE,
    NAME,
    Cells,
    Column,
    Object,
    Printer,
    apps,
    core,
    extensions,
    network,
    nodes,
    pods,
    policy,
    storage,
)
from podyard.apiserver.table.fields import age, name

PRINTERS: Mapping[tuple[str, str], Printer] = {
    key: printer
    for module in (pods, apps, core, network, nodes, policy, storage, extensions)
    for key, printer in module.PRINTERS.items()
}


def _plain_row(obj: Object, now: float) -> Cells:
    return [name(obj), age(obj, now)]


_PLAIN = Printer((NAME, AGE), _plain_row)


def printer_of(resource: Resource) -> Printer:
    """How a resource is printed."""
    return PRINTERS.get((resource.group, resource.plural), _PLAIN)


def table(
    resource: Resource,
    objects: Sequence[dict[str, Any]],
    metadata: dict[str, Any],
    version: str,
    include_object: str = "",
    *,
    columns: bool = True,
    now: float | None = None,
) -> dict[str, Any]:
    """A Table of `objects`. `include_object` is None, Metadata (also for "") or Object.

    `columns` says whether to state the columns: in a watch the first table alone does.
    """
    printer = printer_of(resource)
    at = time.time() if now is None else now
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in printer.columns] if columns else None,
        "rows": [_row(printer, obj, at, version, include_object) for obj in objects],
    }


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": column.priority,
    }


def _row(
    printer: Printer, obj: dict[str, Any], now: float, version: str, include_object: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": printer.row(obj, now)}
    if printer.conditions is not None and (conditions := printer.conditions(obj)):
        row["conditions"] = conditions
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": obj.get("metadata", {}),
        }
    return row
