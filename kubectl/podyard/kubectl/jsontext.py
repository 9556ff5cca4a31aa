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
