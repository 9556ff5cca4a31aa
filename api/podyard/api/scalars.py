"""The values at the ends of an object: what each type takes, says and stores.

A `Scalar` mirrors how one Go type decodes JSON and encodes it again: texts of errors are
encoding/json's and the types' own (k8s.io/apimachinery Time, Quantity, IntOrString).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from podyard.api import times
from podyard.api.quantities import canonical_quantity

_MISMATCH = "mismatch"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One scalar type.

    `fits` says at once that a value is right and already in the form in which it is stored.
    `fault` explains one that does not fit: None when it is acceptable all the same, a whole message,
    or `MISMATCH` when it is of another JSON type. `clean` gives an acceptable value's stored form.
    """

    go_type: str
    zero: Any
    fits: Callable[[Any], bool]
    fault: Callable[[Any], str | None]
    clean: Callable[[Any], Any]


MISMATCH = _MISMATCH


def json_type(value: Any) -> str:
    """What encoding/json calls a value of the wrong type."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _same(value: Any) -> Any:
    return value


def _plain(go_type: str, zero: Any, kind: type) -> Scalar:
    return Scalar(go_type, zero, lambda value: type(value) is kind, lambda value: _MISMATCH, _same)


def _integer(bits: int) -> Scalar:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    return Scalar(
        f"int{bits}",
        0,
        lambda value: type(value) is int and low <= value < high,
        lambda value: _MISMATCH,
        _same,
    )


def _needs_text(value: Any) -> str | None:
    if isinstance(value, str):
        return None
    return f"json: cannot unmarshal {json_type(value)} into Go value of type string"


def _time_fits(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        return type(value) is str and pattern.fullmatch(value) is not None and _time_fault(value) is None

    return fits


def _time_fault(value: Any) -> str | None:
    if wrong := _needs_text(value):
        return wrong
    try:
        times.from_rfc3339(value)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def _quantity(value: str | int | float) -> str | None:
    try:
        return canonical_quantity(value)
    except ValueError:
        return None


def _quantity_fault(value: Any) -> str | None:
    try:
        # Anything but text and numbers is no quantity either, and Kubernetes says so in the same words.
        canonical_quantity(value if json_type(value) in ("string", "number") else json_type(value))
    except ValueError as error:
        return str(error)
    return None


def _int_or_string_fits(value: Any) -> bool:
    return type(value) is str or INT32.fits(value)


def _int_or_string_fault(value: Any) -> str:
    number = f" {value}" if json_type(value) == "number" else ""
    return f"json: cannot unmarshal {json_type(value)}{number} into Go value of type int32"


def _base64_fits(value: Any) -> bool:
    return type(value) is str and _BASE64.fullmatch(value) is not None


def _base64_fault(value: Any) -> str | None:
    if not isinstance(value, str):
        return _MISMATCH
    text = value.replace("\r", "").replace("\n", "")
    if _BASE64.fullmatch(text):
        return None
    return f"illegal base64 data at input byte {_base64_offset(text)}"


def _base64_offset(text: str) -> int:
    """Where Go's decoder stops: at the first strange byte, or where an unfinished group starts."""
    match = re.match(r"[A-Za-z0-9+/]*", text, re.ASCII)
    end = match.end() if match else 0
    if end == len(text):
        return end - end % 4
    if text[end] != "=" or end % 4 < 2:
        return len(text[:end].encode())
    padding = 4 - end % 4
    if not text.startswith("=" * padding, end):
        return end + 1
    return end + padding


INT32 = _integer(32)
STRING = _plain("string", "", str)
BYTES = Scalar(
    "[]uint8", "", _base64_fits, _base64_fault, lambda value: value.replace("\r", "").replace("\n", "")
)
QUANTITY = Scalar(
    "resource.Quantity",
    "0",
    lambda value: type(value) is str and _quantity(value) == value,
    _quantity_fault,
    lambda value: _quantity(value) or value,
)
INT_OR_STRING = Scalar("intstr.IntOrString", 0, _int_or_string_fits, _int_or_string_fault, _same)
TIME = Scalar(
    "v1.Time", None, _time_fits(_TIME), _time_fault, lambda value: times.to_rfc3339(times.from_rfc3339(value))
)
MICRO_TIME = Scalar(
    "v1.MicroTime",
    None,
    _time_fits(_MICRO_TIME),
    _time_fault,
    lambda value: times.to_rfc3339_micro(times.from_rfc3339(value)),
)
FREE = Scalar("interface {}", None, lambda value: value is not None, lambda value: None, _same)
"""Any JSON at all."""

BY_TYPE = {
    ("string", None): STRING,
    ("string", "byte"): BYTES,
    ("string", "date-time"): TIME,
    ("integer", "int32"): INT32,
    ("integer", "int64"): _integer(64),
    ("boolean", None): _plain("bool", False, bool),
    ("number", "double"): Scalar(
        "float64", 0, lambda value: type(value) in (int, float), lambda value: _MISMATCH, _same
    ),
}
"""The scalar for a definition's type and format."""

_META = "io.k8s.apimachinery.pkg."
_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
BY_DEFINITION = {
    f"{_META}api.resource.Quantity": QUANTITY,
    f"{_META}util.intstr.IntOrString": INT_OR_STRING,
    f"{_META}apis.meta.v1.Time": TIME,
    f"{_META}apis.meta.v1.MicroTime": MICRO_TIME,
    f"{_META}apis.meta.v1.FieldsV1": FREE,
    f"{_META}apis.meta.v1.Patch": FREE,
    f"{_META}runtime.RawExtension": FREE,
    f"{_CRD}JSON": FREE,
    f"{_CRD}JSONSchemaPropsOrArray": FREE,
    f"{_CRD}JSONSchemaPropsOrBool": FREE,
    f"{_CRD}JSONSchemaPropsOrStringArray": FREE,
}
"""The definitions that are not structs."""
