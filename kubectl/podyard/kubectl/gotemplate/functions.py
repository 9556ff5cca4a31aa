"""The functions of templates: Go's, and kubectl's `base64decode` and `exists`."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from podyard.kubectl.gotemplate.formatting import go_type, printed, printf
from podyard.kubectl.gotemplate.nodes import TemplateError
from podyard.kubectl.gotext import go_print


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
            if not isinstance(key, str):
                raise TemplateError(f"error calling index: value has type {go_type(key)}; should be string")
            value = value.get(key)
        elif isinstance(value, (list, str)):
            if not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {go_type(key)}")
            if not 0 <= key < _length(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value.encode()[key] if isinstance(value, str) else value[key]
        else:
            raise TemplateError(f"can't index item of type {go_type(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    problem = ""
    if not isinstance(value, (list, str)):
        problem = f"can't slice item of type {go_type(value)}"
    elif len(bounds) > 3:
        problem = f"too many slice indexes: {len(bounds)}"
    elif isinstance(value, str) and len(bounds) == 3:
        problem = "cannot 3-index slice a string"
    if problem:
        raise TemplateError(f"error calling slice: {problem}")
    items = value.encode() if isinstance(value, str) else value
    for bound in bounds:
        if type(bound) is not int:
            problem = f"cannot index slice/array with type {go_type(bound)}"
        elif not 0 <= bound <= len(items):
            problem = f"index out of range: {bound}"
    if not problem and list(bounds) != sorted(bounds):
        problem = f"invalid slice index: {' > '.join(map(str, bounds))}"
    if problem:
        raise TemplateError(f"error calling slice: {problem}")
    start, end = (*bounds, len(items))[:2] if bounds else (0, len(items))
    part = items[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _length(value: Any) -> int:
    if not isinstance(value, (dict, list, str)):
        raise TemplateError(f"error calling len: len of type {go_type(value)}")
    return len(value.encode() if isinstance(value, str) else value)


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison")
    for other in others:
        if isinstance(first, (dict, list)) and isinstance(other, (dict, list)):
            raise TemplateError(f"error calling eq: non-comparable type {go_type(first)}")
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
        text += (" " if apart else "") + printed(value)
    return text


def _js(*values: Any) -> str:
    """Text for a JavaScript string, as Go's template.JSEscapeString writes it."""

    def escaped(found: re.Match[str]) -> str:
        sign = found[0]
        if sign > "\x7f" and sign.isprintable():
            return sign
        return f"\\{sign}" if sign in "\\'\"" else f"\\u{ord(sign):04X}"

    return re.sub(r"[\\'\"<>&=\x00-\x1f\x80-\U0010ffff]", escaped, _text(*values))


def _text(*values: Any) -> str:
    """What is to be escaped."""
    return _print(*("<no value>" if value is None else value for value in values))


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
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": printf,
    "html": lambda *values: html.escape(_text(*values)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "js": _js,
    "urlquery": lambda *values: quote_plus(_text(*values)),
    "base64decode": _base64decode,
    "exists": _exists,
}
"""By the name that a template calls them by."""
