"""Label selectors and field selectors.

`parse_label_selector` reads the text form (`-l 'app in (a,b),!old'`), `from_label_selector` the
object form (`spec.selector`). Source: k8s.io/apimachinery pkg/labels, pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from podyard.api import names

_TOKEN = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^=!(),<> \t\r\n]+|$)")
_SYMBOLS = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">", ""})
_OPERATORS = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}
_OBJECT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `operator`: "=", "==", "!=", "in", "notin", "exists", "!", "gt", "lt"."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition; a missing label meets "!=" and "notin"."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        number = _int64(value)
        bound = _int64(next(iter(self.values)))
        if number is None or bound is None:
            return False
        return number > bound if self.operator == "gt" else number < bound

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({values})"
        sign = {"gt": ">", "lt": "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{values}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of some requirements; none at all select everything, `NOTHING` nothing."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        given = labels or {}
        return all(requirement.matches(given) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def _int64(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _invalid(path: str, value: str, why: str) -> NoReturn:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    raise ValueError(f'{path}: Invalid value: "{quoted}": {why}')


def _requirement(key: str, operator: str, values: frozenset[str]) -> Requirement:
    """A checked requirement (labels.NewRequirement); ValueError says which part is wrong."""
    if errors := names.is_qualified_name(key):
        _invalid("key", key, "; ".join(errors))
    if operator in ("in", "notin") and not values:
        raise ValueError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("exists", "!") and values:
        listed = ", ".join(f'"{value}"' for value in sorted(values))
        raise ValueError(
            f"values: Invalid value: [{listed}]: values set must be empty for exists and does not exist"
        )
    for index, value in enumerate(sorted(values)):
        if operator in ("gt", "lt") and _int64(value) is None:
            _invalid(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
        if errors := names.is_label_value(value):
            _invalid(f"values[{index}][{key}]", value, "; ".join(errors))
    return Requirement(key, operator, values)


def parse_label_selector(text: str) -> LabelSelector:
    """The selector of a query such as `app=web,tier in (a,b),!old`; ValueError as Kubernetes words it."""
    return LabelSelector(_Parser(text).parse()) if text.strip(" \t\r\n") else EVERYTHING


def from_label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a `LabelSelector` object; an absent one selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    found = [
        _requirement(key, "=", frozenset([value]))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(
            _requirement(expression.get("key", ""), operator, frozenset(expression.get("values") or ()))
        )
    return LabelSelector(tuple(sorted(found, key=lambda r: r.key)))


def from_map(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector that wants exactly these labels (Service and ReplicationController); empty: everything."""
    pairs = sorted((labels or {}).items())
    return LabelSelector(tuple(Requirement(key, "=", frozenset([value])) for key, value in pairs))


class _Parser:
    """The recursive descent parser of pkg/labels, with its messages."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)
        self.position = 0

    def peek(self) -> str:
        return self.tokens[self.position]

    def take(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1]

    def parse(self) -> tuple[Requirement, ...]:
        found = []
        while True:
            if self.peek() in _SYMBOLS - {"!"}:
                raise ValueError(f"found '{self.peek()}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            token = self.take()
            if not token:
                return tuple(sorted(found, key=lambda r: r.key))
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            if self.peek() in _SYMBOLS - {"!"}:
                raise ValueError(f"found '{self.peek()}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        key = self.take()
        absent = key == "!"
        if absent:
            key = self.take()
        if key in _SYMBOLS:
            raise ValueError(f"found '{key}', expected: identifier")
        if errors := names.is_qualified_name(key):
            _invalid("<nil>", key, "; ".join(errors))
        if absent or self.peek() in ("", ","):
            return _requirement(key, "!" if absent else "exists", frozenset())
        token = self.take()
        operator = _OPERATORS.get(token)
        if operator is None:
            raise ValueError(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")
        values = self.value_set() if operator in ("in", "notin") else self.exact_value()
        return _requirement(key, operator, values)

    def exact_value(self) -> frozenset[str]:
        if self.peek() in ("", ","):
            return frozenset([""])
        token = self.take()
        if token in _SYMBOLS:
            raise ValueError(f"found '{token}', expected: identifier")
        return frozenset([token])

    def value_set(self) -> frozenset[str]:
        token = self.take()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        if self.peek() in _SYMBOLS - {",", ")"}:
            raise ValueError(f"found '{self.peek()}', expected: ',', ')' or identifier")
        values = set()
        value = ""
        while True:
            token = self.take()
            if token in (",", ")"):
                values.add(value)
                value = ""
                if token == ")":
                    return frozenset(values)
            elif token in _SYMBOLS:
                expected = "',' or ')'" if value else "',', or identifier"
                raise ValueError(f"found '{token}', expected: {expected}")
            elif value:
                raise ValueError(f"found '{token}', expected: ',' or ')'")
            else:
                value = token


def parse_field_selector(text: str) -> list[tuple[str, str, str]]:
    """The terms of `--field-selector`: (field path, "=" or "!=", value); ValueError as Kubernetes words it.

    In a value a comma, an equals sign and a backslash are escaped by a backslash.
    """
    terms = []
    for part in re.findall(r"((?:\\.|[^\\,]|\\$)*)(?:,|$)", text, re.DOTALL):
        if not part:
            continue
        match = re.match(r"(.*?)(!=|==|=)(.*)", part, re.DOTALL)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = match.groups()
        terms.append((path, "!=" if operator == "!=" else "=", _unescape(value)))
    return terms


def _unescape(value: str) -> str:
    def replace(match: re.Match[str]) -> str:
        found = match[0]
        if not found.startswith("\\"):
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(found)}")
        if found[1:] not in ("\\", ",", "="):
            raise ValueError(f"invalid field selector: invalid escape sequence: {found}")
        return found[1:]

    return re.sub(r"\\.?|[,=]", replace, value, flags=re.DOTALL)
