"""Reads YAML: tags, keys and merges as goyaml.v2 takes them (decode.go)."""

from __future__ import annotations

import base64
import math
import re
from functools import cache
from typing import Any

import yaml

from podyard.kubectl.yamltext.scalars import TIMESTAMP, go_float, resolve

YAMLError = yaml.YAMLError

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PLAIN = "plain"
"""The tag that scalars get here which have none, or `!`."""
_TYPES: dict[str, type | tuple[type, ...]] = {
    _PLAIN: object,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "null": type(None),
    "timestamp": (),
}
"""What scalars of a tag may be; those of other tags are text."""


@cache
def _loader() -> type[Any]:
    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_constructors: dict[Any, Any] = {None: _construct}  # noqa: RUF012 (PyYAML's way: for every tag)
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    Loader.add_implicit_resolver(_MERGE, re.compile(r"^(?:<<)$"), ["<"])
    Loader.add_implicit_resolver(_PLAIN, re.compile(""), None)
    return Loader


def _construct(loader: Any, node: yaml.Node) -> Any:
    """What a node stands for. A list or a map is one, whatever its tag says."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return [loader.construct_object(item, deep=True) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    value = _scalar(node)
    if isinstance(value, float) and not math.isfinite(value):
        raise _error(node, f"unsupported value: {node.value}")
    return value


def _scalar(node: yaml.ScalarNode) -> Any:
    tag, text = node.tag.removeprefix(_TAG), node.value
    if tag == "binary":
        try:
            return base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True).decode(errors="replace")
        except ValueError:
            raise _error(node, "!!binary value contains invalid base64 data") from None
    if tag == "timestamp" and TIMESTAMP.fullmatch(text):
        return text
    if tag not in _TYPES or (tag == _PLAIN and node.style):
        return text
    value = resolve(text)
    if not isinstance(value, _TYPES[tag]) or (tag == "int" and isinstance(value, bool)):
        raise _error(node, f"cannot decode `{text}` as a !!{tag}")
    return value


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    keys: set[str] = set()
    for key_node, value_node in node.value:
        value = loader.construct_object(value_node, deep=True)
        if key_node.tag == _MERGE:
            for one in reversed(value if isinstance(value, list) else [value]):
                if not isinstance(one, dict):
                    raise _error(value_node, "map merge requires map or sequence of maps as the value")
                found |= one
            continue
        key = _key(key_node)
        if key in keys:
            line = key_node.start_mark.line + 1
            raise YAMLError(f'yaml: unmarshal errors:\n  line {line}: key "{key}" already set in map')
        keys.add(key)
        found[key] = value
    return found


def _key(node: yaml.Node) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise _error(node, "invalid map key: it must be a string, a number or a boolean")
    if isinstance(value, bool):
        return "true" if value else "false"
    return go_float(value) if isinstance(value, float) else str(value)


def _error(node: yaml.Node, problem: str) -> YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def load(text: str) -> Any:
    """One document. Raises YAMLError."""
    try:
        return yaml.load(text, Loader=_loader())
    except RecursionError:
        raise YAMLError("yaml: exceeded maximum nesting depth") from None


def problem(error: Exception) -> str:
    """What is wrong with YAML, in one line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"yaml: {error.reason}"
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return str(error)
    return f"yaml: line {mark.line + 1}: {problem}"
