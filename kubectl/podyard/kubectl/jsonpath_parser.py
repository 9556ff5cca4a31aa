"""What JSONPath templates say, step by step.

Source: k8s.io/client-go util/jsonpath.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from podyard.kubectl.errors import CommandError


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


def parse(template: str) -> list[Node]:
    """The steps of a template. Raises JsonPathError."""
    return _Parser(template).template()


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
