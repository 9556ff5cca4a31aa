"""How a wrong field is told: k8s.io/apimachinery pkg/util/validation/field, in its words.

Every check of this package is a generator of `FieldError`, given the path of what it looks at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from podyard.api.errors import FieldError

Errors = Iterator[FieldError]
Object = dict[str, Any]

IMMUTABLE = "field is immutable"


def show(value: Any) -> str:
    """A value in a message: JSON, with the keys in order, as Go prints maps."""
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        # Go's JSON escapes these three inside of objects, and Kubernetes shows them so.
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return json.dumps(value, ensure_ascii=False)


def _error(path: str, reason: str, text: str, detail: str) -> FieldError:
    return FieldError(path, reason, f"{text}: {detail}" if detail else text)


def required(path: str, detail: str = "") -> FieldError:
    """A field that must be given is not."""
    return _error(path, "FieldValueRequired", "Required value", detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """A value that is malformed or out of bounds."""
    return _error(path, "FieldValueInvalid", f"Invalid value: {show(value)}", detail)


def invalid_all(path: str, value: Any, details: Iterable[str]) -> Errors:
    """One error for each thing that is wrong with the value."""
    for detail in details:
        yield invalid(path, value, detail)


def duplicate(path: str, value: Any) -> FieldError:
    """A value that must be unique is there twice."""
    return _error(path, "FieldValueDuplicate", f"Duplicate value: {show(value)}", "")


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """A value that is none of those allowed."""
    values = ", ".join(json.dumps(each) for each in sorted(supported))
    return _error(
        path, "FieldValueNotSupported", f"Unsupported value: {show(value)}", f"supported values: {values}"
    )


def forbidden(path: str, detail: str) -> FieldError:
    """A value that would be right under other circumstances."""
    return _error(path, "FieldValueForbidden", "Forbidden", detail)


def not_found(path: str, value: Any, detail: str = "") -> FieldError:
    """A reference to something that is not there."""
    return _error(path, "FieldValueNotFound", f"Not found: {show(value)}", detail)


def too_long(path: str, length: int) -> FieldError:
    """More than `length` bytes."""
    return _error(path, "FieldValueTooLong", "Too long", f"may not be more than {length} bytes")


def too_many(path: str, actual: int, most: int) -> FieldError:
    """More than `most` items."""
    return _error(path, "FieldValueTooMany", f"Too many: {actual}", f"must have at most {most} items")


def one_of(path: str, value: Any, supported: Iterable[str]) -> Errors:
    """The value must be given and be one of these."""
    if value in (None, ""):
        yield required(path)
    elif value not in supported:
        yield not_supported(path, value, supported)


def non_negative(path: str, value: Any) -> Errors:
    """The number, if it is given, must not be below zero."""
    if value is not None and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def in_range(path: str, value: Any, least: int, most: int) -> Errors:
    """The number, if it is given, must lie between these two."""
    if value is not None and not least <= value <= most:
        yield invalid(path, value, f"must be between {least} and {most}, inclusive")


def immutable(path: str, new: Any, old: Any) -> Errors:
    """The value must be the old one; nothing and empty are the same."""
    if (new or None) != (old or None):
        yield invalid(path, new, IMMUTABLE)


def indexed(path: str, items: list[Any] | None) -> Iterator[tuple[str, Any]]:
    """The items of a list with their paths: ("spec.ports[0]", …)."""
    for index, item in enumerate(items or ()):
        yield f"{path}[{index}]", item
