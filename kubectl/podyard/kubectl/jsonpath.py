"""JSONPath templates as kubectl has them: `{.items[*].metadata.name}`, ranges, filters, unions.

Source: k8s.io/client-go util/jsonpath.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.jsontext import compact, indented
from podyard.kubectl.yamltext import go_float


class JsonPathError(CommandError):
    """A template that cannot be parsed, or that does not fit the object."""


@dataclass(slots=True)
class Node:
    """One step. `kind`: list, text, field, array, filter, wildcard, recursive, union, identifier, value."""

    kind: str
    value: Any = None
    nodes: list[Node] = field(default_factory=list)


_KEY = re.compile(r"'([^']|\\')*'")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?")
_TERMINATORS = " \t\r\n.,[]$@{}"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def template(self) -> list[Node]:
        """The whole template: text, and actions in braces."""
        nodes = []
        while self.at < len(self.text):
            start = self.text.find("{", self.at)
            if start != self.at:
                end = start if start >= 0 else len(self.text)
                nodes.append(Node("text", self.text[self.at : end]))
                self.at = end
                continue
            self.at += 1
            nodes.append(Node("list", nodes=self.action()))
        return nodes

    def action(self) -> list[Node]:
        """What stands between braces; the opening one is read already."""
        nodes: list[Node] = []
        while True:
            rest = self.text[self.at :]
            character = rest[:1]
            if character == "}":
                self.at += 1
                return nodes
            if rest.startswith("[?("):
                nodes.append(self._filter())
            elif rest.startswith(".."):
                self.at += 2
                if nodes and nodes[-1].kind == "recursive":
                    raise JsonPathError("invalid multiple recursive descent")
                nodes.append(Node("recursive"))
                if self.text[self.at : self.at + 1].isalnum():
                    nodes.append(self._field())
            elif not character or character in "\r\n":
                raise JsonPathError("unclosed action")
            elif character in " @$":
                self.at += 1
            elif character == "[":
                nodes += self._array()
            elif character in "\"'":
                nodes.append(Node("text", self._quoted()))
            elif character == ".":
                self.at += 1
                nodes.append(self._field())
            elif character in "+-" or character.isdigit():
                nodes.append(self._number())
            elif character.isalnum() or character == "_":
                nodes.append(self._identifier())
            else:
                raise JsonPathError(f"unrecognized character in action: U+{ord(character):04X} '{character}'")

    def _word(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _TERMINATORS:
            self.at += 2 if self.text[self.at] == "\\" else 1
        return self.text[start : self.at]

    def _field(self) -> Node:
        word = self._word()
        return Node("wildcard") if word == "*" else Node("field", word.replace("\\", ""))

    def _identifier(self) -> Node:
        word = self._word()
        return Node("value", word == "true") if word in ("true", "false") else Node("identifier", word)

    def _number(self) -> Node:
        matched = re.compile(r"[-+]?[\d.]*").match(self.text, self.at)
        text = matched.group() if matched else ""
        self.at += len(text)
        try:
            return Node("value", float(text) if "." in text else int(text))
        except ValueError:
            raise JsonPathError(f"cannot parse number {text}") from None

    def _quoted(self) -> str:
        quote, start = self.text[self.at], self.at + 1
        end = start
        while end < len(self.text) and self.text[end] != quote:
            if self.text[end] == "\n":
                break
            end += 2 if self.text[end] == "\\" else 1
        if self.text[end : end + 1] != quote:
            raise JsonPathError("unterminated quoted string")
        self.at = end + 1
        return _unescape(self.text[start:end])

    def _array(self) -> list[Node]:
        end = self.text.find("]", self.at)
        if end < 0:
            raise JsonPathError("unterminated array")
        text = self.text[self.at + 1 : end]
        self.at = end + 1
        parts = text.split(",")
        if len(parts) > 1:
            branches = [
                Node("list", nodes=_Parser(f"{{[{part.strip(' ')}]}}").template()[0].nodes) for part in parts
            ]
            return [Node("union", nodes=branches)]
        if _KEY.fullmatch(text):
            return _Parser(f"{{.{_escape_key(text[1:-1])}}}").template()[0].nodes
        return [Node("array", _slice(":" if text == "*" else text))]

    def _filter(self) -> Node:
        start = self.at + 3
        end, quote = start, ""
        while end < len(self.text) and (quote or self.text[end] != ")"):
            character = self.text[end]
            if character == "\\":
                end += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            end += 1
        if end >= len(self.text):
            raise JsonPathError("unterminated filter")
        if self.text[end + 1 : end + 2] != "]":
            raise JsonPathError("unclosed array expect ]")
        text, self.at = self.text[start:end], end + 2
        matched = re.fullmatch(r"([^!<>=]+)([!<>=]+)(.+?)", text)
        if matched is None:
            return Node("filter", "exists", [Node("list", nodes=_expression(text)), Node("list")])
        left, operator, right = matched.groups()
        return Node(
            "filter",
            operator,
            [Node("list", nodes=_expression(left)), Node("list", nodes=_expression(right))],
        )


def _expression(text: str) -> list[Node]:
    return _Parser(f"{{{text}}}").template()[0].nodes


def _escape_key(text: str) -> str:
    """A quoted key as a field: what would end the word is escaped, unless it is so already."""
    return re.sub(r"(?<!\\)([ .\[\]{}$@,])", r"\\\1", text)


def _unescape(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    return re.sub(r"\\(.)", lambda matched: escapes.get(matched[1], matched[1]), text)


def _slice(text: str) -> tuple[int | None, int | None, int | None, bool]:
    """Start, end and step of an index or slice, and whether it is an index."""
    matched = _SLICE.fullmatch(text)
    if matched is None:
        raise JsonPathError(f"invalid array index {text}")
    start, end, step = matched.groups()
    if end is None:
        if not start:
            raise JsonPathError(f"invalid array index {text}")
        return int(start), int(start) + 1, None, True
    number = [int(part.lstrip(":")) if part and part.lstrip(":") else None for part in (start, end, step)]
    return number[0], number[1], number[2], False


class JsonPath:
    """A parsed template."""

    def __init__(self, template: str, *, allow_missing: bool = False, as_json: bool = False) -> None:
        self._nodes = _Parser(template).template()
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
