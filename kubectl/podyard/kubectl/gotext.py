"""Values as Go's fmt package prints them."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

from podyard.kubectl.jsontext import compact


def go_print(value: Any) -> str:
    """A value as fmt.Sprint shows it: `map[a:1]`, `[x y]`, `<nil>`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_print(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_print, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _float(value)
    return value if isinstance(value, str) else compact(value)


def go_syntax(value: Any) -> str:
    """A value as fmt's %#v shows it, in Go's own syntax."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{_quoted(key)}:{go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{pairs}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
    if isinstance(value, str):
        return _quoted(value)
    return "interface {}(nil)" if value is None else go_print(value)


def _float(value: float) -> str:
    """As few digits as tell it apart; an exponent from a million on."""
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if -4 <= power < 6:
        return format(Decimal(repr(value)), "f") if value % 1 else str(int(value))
    mantissa = "".join(map(str, digits))
    mantissa = mantissa[0] + ("." + mantissa[1:] if mantissa[1:] else "")
    return f"{'-' if sign else ''}{mantissa}e{power:+03d}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
