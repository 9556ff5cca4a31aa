"""JSONPath templates as kubectl has them: `{.items[*].metadata.name}`, ranges, filters, unions.

Source: k8s.io/client-go util/jsonpath.
"""

from __future__ import annotations

import re
from typing import Any

from podyard.kubectl.jsonpath_parser import JsonPathError, Node, parse
from podyard.kubectl.jsontext import compact, indented
from podyard.kubectl.yamltext import go_float


class JsonPath:
    """A parsed template."""

    def __init__(self, template: str, *, allow_missing: bool = False, as_json: bool = False) -> None:
        self._nodes = parse(template)
        self._allow_missing = allow_missing
        self._as_json = as_json

    def results(self, document: Any) -> list[list[Any]]:
        """What each part of the template finds. Raises JsonPathError."""
        found, _ = self._block(document, 0, False)
        return found

    def text(self, document: Any) -> str:
        """The template filled in. Raises JsonPathError."""
        results = self.results(document)
        if self._as_json:
            return "".join(f"{indented(part)}\n" for part in results)
        return "".join(" ".join(map(as_text, part)) for part in results)

    def _block(self, document: Any, start: int, inside: bool) -> tuple[list[list[Any]], int]:
        """Results from node `start` to the end of the template or of the range; the index behind it."""
        found: list[list[Any]] = []
        at = start
        while at < len(self._nodes):
            node = self._nodes[at]
            word = node.nodes[0].value if node.nodes and node.nodes[0].kind == "identifier" else ""
            if word == "range":
                values = self._list([document], node.nodes[1:])
                behind = at + 1
                for value in values:
                    inner, behind = self._block(value, at + 1, True)
                    found += inner
                if not values:
                    behind = self._skip(at + 1)
                at = behind
            elif word == "end":
                if not inside:
                    raise JsonPathError("not in range, nothing to end")
                return found, at + 1
            else:
                found.append(self._walk([document], node))
                at += 1
        return found, at

    def _skip(self, at: int) -> int:
        """The index behind the `end` of the range whose body begins at `at`."""
        depth = 1
        while at < len(self._nodes) and depth:
            first = self._nodes[at].nodes[:1]
            word = first[0].value if first and first[0].kind == "identifier" else ""
            depth += (word == "range") - (word == "end")
            at += 1
        return at

    def _list(self, values: list[Any], nodes: list[Node]) -> list[Any]:
        for node in nodes:
            values = self._walk(values, node)
        return values

    def _walk(self, values: list[Any], node: Node) -> list[Any]:
        if node.kind == "list":
            return self._list(values, node.nodes)
        if node.kind == "text":
            return [node.value]
        if node.kind == "value":
            return [node.value for _ in values]
        if node.kind == "field":
            return self._fields(values, node.value)
        if node.kind == "array":
            return [item for value in values if value is not None for item in _elements(value, node.value)]
        if node.kind == "wildcard":
            return [item for value in values for item in _children(value)]
        if node.kind == "recursive":
            return [item for value in values for item in _descend(value)]
        if node.kind == "union":
            return [item for branch in node.nodes for item in self._list(values, branch.nodes)]
        if node.kind == "filter":
            return [item for value in values for item in self._filtered(value, node)]
        raise JsonPathError(f"unrecognized identifier {node.value}")

    def _fields(self, values: list[Any], name: str) -> list[Any]:
        if not values:
            return []
        found = [value[name] for value in values if isinstance(value, dict) and name in value]
        if not found and not self._allow_missing:
            raise JsonPathError(f"{name} is not found")
        return found

    def _filtered(self, value: Any, node: Node) -> list[Any]:
        if not isinstance(value, list):
            raise JsonPathError(f"{as_text(value)} is not array or slice and cannot be filtered")
        return [item for item in value if self._passes(item, node)]

    def _passes(self, item: Any, node: Node) -> bool:
        left, right = node.nodes
        try:
            lefts = self._list([item], left.nodes)
        except JsonPathError:
            if node.value == "exists":
                return False
            raise
        if node.value == "exists":
            return bool(lefts)
        if not lefts:
            return False
        rights = self._list([item], right.nodes)
        if len(lefts) > 1 or len(rights) > 1:
            raise JsonPathError("can only compare one element at a time")
        return bool(rights) and _compare(lefts[0], node.value, rights[0])


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list) else []


def _descend(value: Any) -> list[Any]:
    children = _children(value)
    if not children:
        return []
    return [value, *(item for child in children for item in _descend(child))]


def _elements(value: Any, bounds: tuple[int | None, int | None, int | None, bool]) -> list[Any]:
    if not isinstance(value, list):
        raise JsonPathError(f"{_go_type(value)} is not array or slice")
    first, last, step, index = bounds
    length = len(value)
    start = 0 if first is None else first + length if first < 0 else first
    end = length if last is None else last + length if last < 0 or (last == 0 and index) else last
    if start == end:
        return []
    if not 0 <= start < length:
        raise JsonPathError(f"array index out of bounds: index {start}, length {length}")
    if not 0 <= end <= length:
        raise JsonPathError(f"array index out of bounds: index {end - 1}, length {length}")
    if start > end:
        raise JsonPathError(f"starting index {start} is greater than ending index {end}")
    if step is not None and step <= 0:
        raise JsonPathError("step must be > 0")
    return value[start : end : step or 1]


def _go_type(value: Any) -> str:
    names = {dict: "map[string]interface {}", str: "string", bool: "bool", int: "int64", float: "float64"}
    return names.get(type(value), "<nil>")


def _compare(left: Any, operator: str, right: Any) -> bool:
    numbers = (int, float)
    comparable = type(left) is type(right) or (
        isinstance(left, numbers) and isinstance(right, numbers) and bool not in (type(left), type(right))
    )
    if not comparable:
        raise JsonPathError("incompatible types for comparison")
    if operator in ("==", "!="):
        return bool(left == right) == (operator == "==")
    if operator not in ("<", ">", "<=", ">="):
        raise JsonPathError(f"unrecognized filter operator {operator}")
    less, equal = bool(left < right), bool(left == right)
    return {"<": less, "<=": less or equal, ">": not less and not equal, ">=": not less}[operator]


def as_text(value: Any) -> str:
    """A value as output shows it: objects and lists as JSON."""
    if isinstance(value, (dict, list)):
        return compact(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return go_float(value) if isinstance(value, float) else str(value)


def relaxed(expression: str) -> str:
    """`metadata.name`, `.metadata.name` or `{.metadata.name}` as the last of these."""
    if not expression:
        return expression
    matched = re.fullmatch(r"\{\.?([^{}]+)\}|\.?([^{}]+)", expression)
    if matched is None:
        raise JsonPathError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or "
            "'{.name1.name2}'"
        )
    return f"{{.{matched[1] or matched[2]}}}"
