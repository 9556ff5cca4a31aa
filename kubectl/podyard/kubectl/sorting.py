"""--sort-by. Source: k8s.io/kubectl pkg/cmd/get/sorter.go."""

from __future__ import annotations

from typing import Any

from podyard.api.quantities import parse_quantity
from podyard.kubectl.errors import CommandError
from podyard.kubectl.jsonpath import JsonPath, relaxed
from podyard.kubectl.jsonpath_parser import JsonPathError

_Key = tuple[int, Any]


def sort_objects(objects: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    """Objects by a field; those without it come first. Raises CommandError when none has it."""
    expression = _expression(field)
    keys = _keys(objects, expression)
    order = sorted(range(len(objects)), key=lambda i: keys[i])
    return [objects[i] for i in order]


def sort_tables(tables: list[dict[str, Any]], field: str) -> None:
    """Sort the rows of each table in place by a field of the rows' objects.

    Raises CommandError when none of several has it. The stock kubectl has the same error, but loses it and
    says "No resources found" (https://github.com/kubernetes/kubectl/issues/1343).
    """
    expression = _expression(field)
    for table in tables:
        rows = table.get("rows") or []
        if len(rows) < 2:
            continue
        keys = _keys([row.get("object") or {} for row in rows], expression)
        table["rows"] = [rows[i] for i in sorted(range(len(rows)), key=lambda i: keys[i])]


def _expression(field: str) -> str:
    try:
        return relaxed(field)
    except JsonPathError:
        return field


def _keys(objects: list[dict[str, Any]], expression: str) -> list[_Key]:
    path = JsonPath(expression, allow_missing=True)
    values = [path.results(obj) for obj in objects]
    firsts = [found[0][0] if found and found[0] else None for found in values]
    if objects and all(not (found and found[0]) for found in values):
        raise CommandError(f'couldn\'t find any field with path "{expression}" in the list of objects')
    return [_key(first) for first in firsts]


def _key(value: Any) -> _Key:
    if value is None:
        return 0, 0
    if isinstance(value, (int, float)):
        return 1, value
    text = str(value)
    try:
        return 1, parse_quantity(text)
    except ValueError:
        return 2, text
