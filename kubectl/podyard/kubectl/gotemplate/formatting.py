"""printf, as Go's fmt package has it. Source: https://pkg.go.dev/fmt."""

from __future__ import annotations

import json
import re
from typing import Any

from podyard.kubectl.gotext import go_print, go_syntax

_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([a-zA-Z%])")


def go_type(value: Any) -> str:
    """The name of a value's type in Go. Whole numbers are those of an object: int64."""
    if value is None:
        return "<nil>"
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool"}
    return names.get(type(value), "int64" if isinstance(value, int) else "float64")


def printed(value: Any) -> str:
    """A value as print writes it."""
    return "<nil>" if value is None else go_print(value)


def printf(template: str, *values: Any) -> str:
    """The template, with a value in the place of every verb."""
    rest = list(values)

    def fill(verb: re.Match[str]) -> str:
        flags, width, precision, letter = verb.groups()
        if letter == "%":
            return "%"
        if not rest:
            return f"%!{letter}(MISSING)"
        return _formatted(rest.pop(0), flags, width, precision, letter)

    text = _VERB.sub(fill, template)
    extra = ", ".join("<nil>" if v is None else f"{go_type(v)}={printed(v)}" for v in rest)
    return f"{text}%!(EXTRA {extra})" if extra else text


def _formatted(value: Any, flags: str, width: str, precision: str | None, letter: str) -> str:
    cut = f".{precision}" if precision is not None else ""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, (list, dict)) and letter not in "vT":
        return _each(value, flags, width, precision, letter)
    if letter in "dxXo" and whole:
        return str(f"%{flags}{width}{letter}" % value)
    if letter in "feEgG" and isinstance(value, float):
        return f"%{flags}{width}{cut}{letter}" % value
    text = _words(value, flags, letter, whole)
    if text is None:
        text, cut = f"%!{letter}({'' if value is None else go_type(value) + '='}{printed(value)})", ""
    return f"%{flags.replace('0', '')}{width}{cut}s" % text


def _each(
    value: list[Any] | dict[str, Any], flags: str, width: str, precision: str | None, letter: str
) -> str:
    """A verb for a list or a map is one for everything in it."""

    def one(item: Any) -> str:
        return "<nil>" if item is None else _formatted(item, flags, width, precision, letter)

    if isinstance(value, list):
        return f"[{' '.join(map(one, value))}]"
    return f"map[{' '.join(f'{one(key)}:{one(value[key])}' for key in sorted(value))}]"


def _words(value: Any, flags: str, letter: str, whole: bool) -> str | None:
    """What is written for a value before it is cut and filled up; None when the verb does not fit it."""
    if letter == "v":
        return go_syntax(value) if "#" in flags and value is not None else printed(value)
    if letter == "T":
        return go_type(value)
    if letter == "t" and isinstance(value, bool):
        return printed(value)
    if whole:
        made = {"b": format(value, "b"), "U": f"U+{value:04X}"}
        return chr(value) if letter == "c" and 0 <= value < 0x110000 else made.get(letter)
    if not isinstance(value, str):
        return None
    if letter in "xX":
        found = value.encode().hex(*" " * (" " in flags))
        return found if letter == "x" else found.upper()
    return {"s": value, "q": json.dumps(value, ensure_ascii=False)}.get(letter)
