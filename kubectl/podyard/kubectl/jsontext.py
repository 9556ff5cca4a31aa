"""JSON as Go's encoding/json writes it: sorted keys, `<`, `>` and `&` escaped."""

from __future__ import annotations

import json
from typing import Any


def compact(value: Any) -> str:
    """JSON without any white space."""
    return escape(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def indented(value: Any, indent: int = 4) -> str:
    """JSON in several lines; empty objects and lists stand on one."""
    return escape(json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent))


def escape(text: str) -> str:
    """What Go escapes in strings so that JSON may stand in HTML."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def type_name(value: Any) -> str:
    """What JSON calls a value of this type."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "bool" if isinstance(value, bool) else "number"


def cannot_unmarshal(value: Any, field: str, wanted: str) -> str:
    """What is said of a value that is of another type than its field; `wanted` is a type of Go."""
    return f"json: cannot unmarshal {type_name(value)} into Go struct field {field} of type {wanted}"
