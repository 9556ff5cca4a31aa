"""Tables, as the server makes them and kubectl shows them.

Source: k8s.io/cli-runtime pkg/printers/tableprinter.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podyard.kubectl.tabwriter import TabWriter
from podyard.kubectl.yamltext import go_float

_EVENT_TYPES = {"ADDED": "ADDED   ", "MODIFIED": "MODIFIED", "DELETED": "DELETED ", "ERROR": "ERROR   "}


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What to show. `kind` is put before names ("pod"); "" for none."""

    wide: bool = False
    headers: bool = True
    namespace: bool = False
    kind: str = ""
    labels: tuple[str, ...] = ()
    show_labels: bool = False


class TablePrinter:
    """Writes tables of one kind to a TabWriter; their header comes once."""

    def __init__(self, options: TableOptions, writer: TabWriter) -> None:
        self._options = options
        self._writer = writer
        self._columns: list[dict[str, Any]] = []
        self._headed = False

    def print(self, table: dict[str, Any], event: str = "") -> int:
        """Write a table; gives how many rows it has. `event`: the type of the watch event it is of."""
        columns = table.get("columnDefinitions") or self._columns
        if columns != self._columns:
            self._headed = False
        self._columns = columns
        rows = table.get("rows") or []
        shown = [i for i, column in enumerate(columns) if not column.get("priority") or self._options.wide]
        if rows and self._options.headers and not self._headed:
            self._line(self._titles([str(columns[i]["name"]) for i in shown], bool(event)))
        self._headed = self._headed or bool(rows)
        for row in rows:
            self._line(self._cells(row, shown, event))
        return len(rows)

    def _line(self, cells: list[str]) -> None:
        self._writer.write("\t".join(cells) + "\n")

    def _titles(self, titles: list[str], event: bool) -> list[str]:
        options = self._options
        before = (["EVENT"] if event else []) + (["NAMESPACE"] if options.namespace else [])
        after = [label.rpartition("/")[2] for label in options.labels]
        after += ["LABELS"] if options.show_labels else []
        return [title.upper() for title in (*before, *titles, *after)]

    def _cells(self, row: dict[str, Any], shown: list[int], event: str) -> list[str]:
        options = self._options
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = [_EVENT_TYPES.get(event, event)] if event else []
        if options.namespace:
            cells.append(metadata.get("namespace", ""))
        given = row.get("cells") or []
        name = next((i for i, c in enumerate(self._columns) if c.get("format") == "name"), -1)
        for i in shown:
            text = _text(given[i]) if i < len(given) else ""
            cells.append(f"{options.kind}/{text}" if options.kind and i == name else text)
        labels = metadata.get("labels") or {}
        cells += [str(labels.get(label, "")) for label in options.labels]
        if options.show_labels:
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return cells


def _text(value: Any) -> str:
    """A cell: control characters are made visible, and only its first line is shown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return go_float(value)
    text = str(value)
    cut = min((text.find(c) for c in "\f\n\r" if c in text), default=-1)
    if cut >= 0:
        text = text[:cut] + "..."
    return text.replace("\x1b", "^[").replace("\r", "\\r")


def plain_table(objects: list[dict[str, Any]], now: float) -> dict[str, Any]:
    """A table of names and ages, for a server that makes no tables."""
    from podyard.kubectl.durations import age

    return {
        "kind": "Table",
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name"},
            {"name": "Age", "type": "string"},
        ],
        "rows": [
            {
                "cells": [obj["metadata"].get("name"), age(obj["metadata"].get("creationTimestamp"), now)],
                "object": obj,
            }
            for obj in objects
        ],
    }


def status_table(status: dict[str, Any]) -> dict[str, Any]:
    """A table of a Status, of which the server makes none."""
    names = ("Status", "Reason", "Message")
    return {
        "kind": "Table",
        "columnDefinitions": [{"name": name, "type": "string"} for name in names],
        "rows": [{"cells": [status.get(name.lower(), "") for name in names]}],
    }
