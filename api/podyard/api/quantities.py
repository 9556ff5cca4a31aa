"""Quantities: numbers with a unit suffix, such as cpu "250m" and memory "64Mi".

Exact: values are Decimals, never floats. Source: k8s.io/apimachinery pkg/api/resource.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_PATTERN = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = Decimal("1e-9")
_MOST = Decimal(2**63 - 1)


def parse_quantity(value: str | int | float) -> Decimal:
    """The exact value of a quantity; ValueError in Kubernetes' words when it is none.

    As in Kubernetes a fraction of a nano counts as a whole one, and values beyond 2^63-1 are cut
    to it.
    """
    return parse_with_format(value)[0]


def parse_with_format(value: str | int | float) -> tuple[Decimal, Format]:
    """The value, and the family of its suffix, in which `format_quantity` shows it again."""
    text = value if isinstance(value, str) else repr(value)
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = match.groups()
    if not _NUMBER.fullmatch(number):
        raise ValueError("unable to parse numeric part of quantity")
    with localcontext() as context:
        # Long enough for every digit a caller writes, so that nothing is rounded on the way.
        context.prec = max(len(text) + 60, 100)
        factor, family = _suffix_factor(suffix)
        return _limit(Decimal(number) * factor), family


def _suffix_factor(suffix: str) -> tuple[Decimal, Format]:
    if suffix in _DECIMAL:
        return Decimal(1).scaleb(_DECIMAL[suffix]), "DecimalSI"
    if suffix in _BINARY:
        return Decimal(1024 ** _BINARY.index(suffix)), "BinarySI"
    if re.fullmatch(r"[eE][-+]?[0-9]+", suffix):
        # Beyond this everything is cut to the largest or smallest value anyway.
        return Decimal(1).scaleb(max(-60, min(60, int(suffix[1:])))), "DecimalExponent"
    raise ValueError("unable to parse quantity's suffix")


def _limit(value: Decimal) -> Decimal:
    if abs(value) >= _MOST:
        return _MOST.copy_sign(value)
    away_from_zero = ROUND_CEILING if value > 0 else ROUND_FLOOR
    return value.quantize(_NANO, rounding=away_from_zero).normalize()


def format_quantity(value: Decimal, family: Format = "DecimalSI") -> str:
    """The canonical text of a value: the largest suffix that leaves no fraction ("1500m", "64Mi")."""
    if not value:
        return "0"
    whole = value == value.to_integral_value()
    if family == "BinarySI" and whole and abs(value) >= 1024:
        return _format_binary(int(value))
    sign, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    step = max(exponent // 3 * 3, -9)
    number = int("".join(map(str, digits))) * 10 ** (exponent - step) * (-1 if sign else 1)
    if family == "DecimalExponent":
        return f"{number}e{step}" if step else str(number)
    while step > 18:
        step, number = step - 3, number * 1000
    return f"{number}{_DECIMAL_SUFFIX[step]}"


def _format_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY) - 1:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY[power]}"


def canonical_quantity(value: str | int | float) -> str:
    """A quantity as Kubernetes stores it: "0.5" is "500m", "1024Ki" is "1Mi"."""
    return format_quantity(*parse_with_format(value))
