"""Server-side tables: what `kubectl get` prints.

Contract: each sibling file holds the printers of related kinds in a dict `PRINTERS`, from
`(group, plural)` to a `Printer`. A printer is pure: its columns, and a function that makes one
row of cells, as many as there are columns, from one object and the time. Columns, cells and
their wording are those of k8s.io/kubernetes/pkg/printers/internalversion/printers.go. A kind
without a printer gets NAME and AGE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Cells = list[Any]
Row = Callable[[Object, float], Cells]
"""From an object and now (seconds since the epoch) to its cells."""

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `priority` above 0 shows with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Printer:
    """How a kind is printed. `conditions` says of a row what clients may hide, e.g. Completed pods."""

    columns: tuple[Column, ...]
    row: Row
    conditions: Callable[[Object], list[dict[str, str]]] | None = None


NAME = Column("Name", format="name")
AGE = Column("Age")


def columns(text: str) -> tuple[Column, ...]:
    """Columns from a short text: names parted by " | ".

    A name that ends in "*" is for `-o wide`; ":int" or ":bool" names another type than string.
    """
    found = []
    for part in text.split(" | "):
        name, _, kind = part.rstrip("*").partition(":")
        priority = 1 if part.endswith("*") else 0
        if name == "Name":
            found.append(Column(name, format="name", priority=priority))
        else:
            types = {"int": "integer", "bool": "boolean", "": "string"}
            form = "date-time" if name == "Created At" else ""
            found.append(Column(name, types[kind], form, priority))
    return tuple(found)
