"""Writes YAML."""

from __future__ import annotations

from functools import cache, cmp_to_key
from typing import Any

import yaml

from podyard.kubectl.yamltext.scalars import BASE_60, TIMESTAMP, go_float, resolve


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
    return not (TIMESTAMP.fullmatch(value) or BASE_60.fullmatch(value))


def dump(value: Any) -> str:
    """One document."""
    dumped: str = yaml.dump(value, Dumper=_dumper(), allow_unicode=True, width=80, sort_keys=False)
    return dumped.removesuffix("...\n")


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
