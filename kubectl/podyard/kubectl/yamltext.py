"""YAML as Kubernetes' clients read and write it.

Plain scalars are resolved as sigs.k8s.io/yaml does: YAML 1.1 with yes/no/on/off, octal numbers and
floats such as 1e3, but timestamps and base-60 numbers stay strings. Written are sorted keys, lists
that are not indented, and text with line breaks in literal style.
Source: sigs.k8s.io/yaml goyaml.v2 (resolve.go, encode.go, sorter.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, cmp_to_key
from typing import Any

import yaml

YAMLError = yaml.YAMLError

_BOOLEANS = {
    word: truth
    for words, truth in (("y yes true on", True), ("n no false off", False))
    for base in words.split()
    for word in (base, base.capitalize(), base.upper())
}
_NULLS = {"", "~", "null", "Null", "NULL"}
_SPECIAL_FLOATS = {
    sign + dot: float(sign + dot[1:]) for dot in (".inf", ".Inf", ".INF") for sign in ("", "+", "-")
} | {dot: float("nan") for dot in (".nan", ".NaN", ".NAN")}
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d)"
    r"| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?"
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def resolve(text: str) -> Any:
    """What a plain scalar stands for."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text]
    if text[0] not in "+-.0123456789" or _TIMESTAMP.fullmatch(text):
        return text
    plain = text.replace("_", "")
    if _INT.fullmatch(plain):
        return _integer(plain)
    if _FLOAT.fullmatch(plain):
        return float(plain)
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


@cache
def _loader() -> type[Any]:
    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's way: plain scalars are strings)

    def scalar(loader: Any, node: yaml.ScalarNode) -> Any:
        return node.value if node.style else resolve(node.value)

    def binary(loader: Any, node: yaml.ScalarNode) -> str:
        data: bytes = loader.construct_yaml_binary(node)
        return data.decode(errors="replace")

    def mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
        loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _key(loader.construct_object(key_node, deep=True))
            if key in found:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(
                    f'yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map'
                )
            found[key] = loader.construct_object(value_node, deep=True)
        return found

    def merge_key(loader: Any, node: yaml.ScalarNode) -> Any:
        return node.value

    Loader.add_constructor("tag:yaml.org,2002:str", scalar)
    Loader.add_constructor("tag:yaml.org,2002:binary", binary)
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("tag:yaml.org,2002:merge", merge_key)
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])
    return Loader


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def load_all(text: str) -> Iterator[Any]:
    """The documents of a YAML stream. Raises YAMLError."""
    yield from yaml.load_all(text, Loader=_loader())


def load(text: str) -> Any:
    """One document. Raises YAMLError."""
    return yaml.load(text, Loader=_loader())


@cache
def _dumper() -> type[Any]:
    base: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (what to quote is decided here)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> yaml.Node:
        style: str | None = None
        if "\n" in value:
            style = "|"
        elif not _plain(value):
            style = '"'
        node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", value, style)
        return node

    def plain(words: str) -> Any:
        return lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", words.format(value))

    Dumper.add_representer(str, text)
    Dumper.add_representer(int, plain("{}"))
    Dumper.add_representer(
        float,
        lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", go_float(value)),
    )
    Dumper.add_representer(
        bool,
        lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value).lower()),
    )
    Dumper.add_representer(type(None), plain("null"))
    Dumper.add_representer(
        dict,
        lambda dumper, value: dumper.represent_mapping(
            "tag:yaml.org,2002:map", sorted(value.items(), key=_by_key), flow_style=not value
        ),
    )
    Dumper.add_representer(
        list,
        lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=not value),
    )
    return Dumper


def _plain(value: str) -> bool:
    """Whether a text means itself when it stands without quotes."""
    if not isinstance(resolve(value), str) or value == "<<":
        return False
    return not (_TIMESTAMP.fullmatch(value) or _BASE_60.fullmatch(value))


def dump(value: Any) -> str:
    """One document."""
    dumped: str = yaml.dump(value, Dumper=_dumper(), allow_unicode=True, width=80, sort_keys=False)
    return dumped.removesuffix("...\n")


def go_float(value: float) -> str:
    """A float as Go's strconv.FormatFloat(v, 'g', -1, 64) writes it."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    mantissa, _, exponent = f"{value!r}".partition("e")
    if value == int(value) and not exponent and abs(value) < 1e21:
        return str(int(value))
    return f"{mantissa}e{exponent}" if exponent else mantissa


def _compare(left: str, right: str) -> int:
    """-1, 0 or 1: the order of keys, in which numbers inside of names count as numbers."""
    same = 0
    while same < min(len(left), len(right)) and left[same] == right[same]:
        same += 1
    if same == min(len(left), len(right)):
        return (len(left) > len(right)) - (len(left) < len(right))
    a, b = left[same], right[same]
    if a.isalpha() or b.isalpha():
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        return -1 if b.isalpha() else 1
    prefix = _leading_one(left, same) if "0" in (a, b) else ""
    first, second = _digits(left, same), _digits(right, same)
    one, other = int(prefix + first or "0"), int(prefix + second or "0")
    if one != other:
        return -1 if one < other else 1
    if len(first) != len(second):
        return -1 if len(first) < len(second) else 1
    return -1 if a < b else 1


def _leading_one(text: str, end: int) -> str:
    at = end - 1
    while at >= 0 and text[at].isdigit():
        if text[at] != "0":
            return "1"
        at -= 1
    return ""


def _digits(text: str, start: int) -> str:
    end = start
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[start:end]


_ordered = cmp_to_key(_compare)


def _by_key(item: tuple[str, Any]) -> Any:
    return _ordered(item[0])


def problem(error: Exception) -> str:
    """What is wrong with YAML, in one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return str(error)
    return f"yaml: line {mark.line + 1}: {problem}"
