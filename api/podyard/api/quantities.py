"""Quantities: numbers with a unit suffix, such as cpu "250m" and memory "64Mi".

Exact: values are Decimals, never floats. Source: k8s.io/apimachinery pkg/api/resource.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal, localcontext
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_PATTERN = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = Decimal("1e-9")
_MOST = Decimal(2**63 - 1)


@dataclass(frozen=True, slots=True)
class _Parsed:
    value: Decimal  # rounded away from zero to a nano
    family: Format
    keeps_text: bool  # whether Kubernetes takes the text as canonical already


def parse_quantity(value: str | int | float) -> Decimal:
    """The exact value of a quantity; ValueError in Kubernetes' words when it is none.

    As in Kubernetes a fraction of a nano counts as a whole one. Values beyond 2^63-1 are cut to it,
    so that a caller may turn any of them into an int.
    """
    exact = _parse(value).value
    return exact if abs(exact) < _MOST else _MOST.copy_sign(exact)


def canonical_quantity(value: str | int | float) -> str:
    """A quantity as Kubernetes stores it: "0.5" is "500m", "1024Ki" is "1Mi"."""
    parsed = _parse(value)
    if parsed.keeps_text:
        return str(value)
    return format_quantity(parsed.value, parsed.family)


def _parse(value: str | int | float) -> _Parsed:
    text = value if isinstance(value, str) else repr(value)
    match = _PATTERN.fullmatch(text)
    if match is None or not text:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, whole, fraction, suffix = match.groups()
    whole, fraction = whole or "0", fraction or ""
    factor, family = _suffix_factor(suffix)
    with localcontext() as context:
        # Long enough for every digit that can come out, so that nothing is rounded on the way.
        context.prec = len(text) + 1100
        exact = Decimal(f"{sign}{whole}.{fraction}") * factor
        exact = exact.quantize(_NANO, rounding=ROUND_UP).normalize()
    if family == "BinarySI":
        exact = max(-_MOST, min(_MOST, exact))
    digits = whole + fraction
    step = factor.adjusted() - len(fraction) if family != "BinarySI" else 0
    keeps = (
        family != "BinarySI"
        and len(digits) <= 18
        and step >= -9
        and step % 3 == 0
        and not digits.startswith("0")
        and not digits.endswith("000")
    )
    return _Parsed(exact, family, keeps)


def _suffix_factor(suffix: str) -> tuple[Decimal, Format]:
    if suffix in _DECIMAL:
        return Decimal(1).scaleb(_DECIMAL[suffix]), "DecimalSI"
    if suffix in _BINARY:
        return Decimal(1024 ** _BINARY.index(suffix)), "BinarySI"
    # An exponent of more than three digits is of no use but to exhaust memory.
    if re.fullmatch(r"[eE][-+]?0*[0-9]{1,3}", suffix):
        return Decimal(1).scaleb(int(suffix[1:])), "DecimalExponent"
    raise ValueError("unable to parse quantity's suffix")


def format_quantity(value: Decimal, family: Format = "DecimalSI") -> str:
    """The canonical text of a value: the largest suffix that leaves no fraction ("1500m", "64Mi")."""
    if not value:
        return "0"
    if family == "BinarySI" and abs(value) >= 1024 and value == int(value):
        return _format_binary(int(value))
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    while number % 10 == 0:
        number, exponent = number // 10, exponent + 1
    step = max(exponent // 3 * 3, -9)
    if family == "DecimalSI":
        step = min(step, 18)
    number *= 10 ** (exponent - step) * (-1 if sign else 1)
    if family == "DecimalExponent":
        return f"{number}e{step}" if step else str(number)
    return f"{number}{_DECIMAL_SUFFIX[step]}"


def _format_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY) - 1:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY[power]}"
