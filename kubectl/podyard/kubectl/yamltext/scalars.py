"""What a plain scalar stands for, and how numbers are written."""

from __future__ import annotations

import math
import re
from typing import Any

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
TIMESTAMP = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d)"
    r"| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?"
)
BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def resolve(text: str) -> Any:
    """What a plain scalar stands for."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text]
    if text[0] not in "+-.0123456789" or TIMESTAMP.fullmatch(text):
        return text
    plain = text.replace("_", "")
    if _INT.fullmatch(plain) and -(2**63) <= (whole := _integer(plain)) < 2**63:
        return whole
    if _FLOAT.fullmatch(plain) and math.isfinite(number := float(plain)):
        return number
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def go_float(value: float) -> str:
    """A float as Go's strconv.FormatFloat(v, 'g', -1, 64) writes it."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    mantissa, _, exponent = f"{value!r}".partition("e")
    if value == int(value) and not exponent and abs(value) < 1e21:
        return str(int(value))
    return f"{mantissa}e{exponent}" if exponent else mantissa
