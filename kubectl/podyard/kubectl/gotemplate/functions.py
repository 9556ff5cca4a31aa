"""The functions of templates: Go's, and kubectl's `base64decode` and `exists`."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from podyard.kubectl.gotemplate.nodes import TemplateError
from podyard.kubectl.gotext import go_print

_NUMBERS = (int, float)


def shown(value: Any) -> str:
    """A value as a template writes it."""
    return "<no value>" if value is None else go_print(value)


def truth(value: Any) -> bool:
    """Whether a value is neither empty, zero, false nor missing."""
    return bool(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            raise TemplateError("index of untyped nil")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, (list, str)):
            if not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {_type(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError(f"can't index item of type {_type(value)}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    start, end = (*bounds, len(value))[:2] if bounds else (0, len(value))
    if not isinstance(value, (list, str)) or not 0 <= start <= end <= len(value):
        raise TemplateError(f"error calling slice: index out of range: {start}:{end}")
    return value[start:end]


def _length(value: Any) -> int:
    if not isinstance(value, (dict, list, str)):
        raise TemplateError(f"error calling len: len of type {_type(value)}")
    return len(value.encode() if isinstance(value, str) else value)


def _type(value: Any) -> str:
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool"}
    return names.get(type(value), "int" if isinstance(value, int) else "float64")


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison")
    for other in others:
        if first is not None and other is not None and not _comparable(first, other):
            raise TemplateError("error calling eq: incompatible types for comparison")
    return first in others


def _comparable(one: Any, other: Any) -> bool:
    return type(one) is type(other)


def _ordered(name: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(one: Any, other: Any) -> bool:
        if isinstance(one, (bool, dict, list)) or one is None or not _comparable(one, other):
            raise TemplateError(f"error calling {name}: incompatible types for comparison")
        return holds(one, other)

    return compare


def _last_true(*values: Any) -> Any:
    return next((value for value in values if not truth(value)), values[-1])


def _first_true(*values: Any) -> Any:
    return next((value for value in values if truth(value)), values[-1])


def _exists(value: Any, *keys: Any) -> bool:
    try:
        return _index(value, *keys) is not None
    except TemplateError:
        return False


def _base64decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, TypeError) as error:
        raise TemplateError(f"error calling base64decode: decode failed: {error}") from None


def _print(*values: Any) -> str:
    """Values with a space between two of which neither is a string."""
    text = ""
    for at, value in enumerate(values):
        apart = at and not isinstance(value, str) and not isinstance(values[at - 1], str)
        text += (" " if apart else "") + _printed(value)
    return text


def _printed(value: Any) -> str:
    return "<nil>" if value is None else go_print(value)


_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def _printf(template: str, *values: Any) -> str:
    rest = list(values)

    def fill(verb: re.Match[str]) -> str:
        flags, width, precision, letter = verb.groups()
        if letter == "%":
            return "%"
        if not rest:
            return f"%!{letter}(MISSING)"
        return _formatted(rest.pop(0), flags, width, precision, letter)

    text = _VERB.sub(fill, template)
    extra = ", ".join(f"{_type(value)}={_printed(value)}" for value in rest)
    return f"{text}%!(EXTRA {extra})" if extra else text


def _formatted(value: Any, flags: str, width: str, precision: str | None, letter: str) -> str:
    cut = f".{precision}" if precision is not None else ""
    number = isinstance(value, _NUMBERS) and not isinstance(value, bool)
    if letter in "dxXo" and isinstance(value, int) and number:
        return f"%{flags}{width}{letter}" % value
    if letter in "feEgG" and isinstance(value, float):
        return f"%{flags}{width}{cut}{letter}" % value
    if letter in "xX" and isinstance(value, str):
        value = value.encode().hex() if letter == "x" else value.encode().hex().upper()
        letter = "s"
    if letter == "q":
        text = json.dumps(_printed(value), ensure_ascii=False)
    elif letter == "v" or (letter == "s" and not number) or (letter == "t" and isinstance(value, bool)):
        text = _printed(value)
    else:
        text = f"%!{letter}({_type(value)}={_printed(value)})"
    return f"%{flags.replace('0', '')}{width}{cut}s" % text


def _js(*values: Any) -> str:
    """Text for a JavaScript string, as Go's template.JSEscapeString writes it."""

    def escaped(found: re.Match[str]) -> str:
        sign = found[0]
        return f"\\{sign}" if sign in "\\'\"" else f"\\u{ord(sign):04X}"

    return re.sub(r"[\\'\"<>&=\x00-\x1f\x7f]", escaped, _print(*values))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "and": _last_true,
    "or": _first_true,
    "not": lambda value: not truth(value),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "eq": _equal,
    "ne": lambda one, other: not _equal(one, other),
    "lt": _ordered("lt", lambda one, other: one < other),
    "le": _ordered("le", lambda one, other: one <= other),
    "gt": _ordered("gt", lambda one, other: one > other),
    "ge": _ordered("ge", lambda one, other: one >= other),
    "print": _print,
    "println": lambda *values: " ".join(map(_printed, values)) + "\n",
    "printf": _printf,
    "html": lambda *values: (
        html.escape(_print(*values)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    ),
    "js": _js,
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "base64decode": _base64decode,
    "exists": _exists,
}
"""By the name that a template calls them by."""
