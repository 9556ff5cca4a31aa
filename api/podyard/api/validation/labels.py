"""Labels, annotations and label selectors (k8s.io/apimachinery pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.selectors import NOTHING, LabelSelector, from_label_selector
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    indexed,
    invalid,
    invalid_all,
    required,
    too_long,
)

_ANNOTATIONS_BYTES = 256 * 1024


def label_key(path: str, key: str) -> Errors:
    """A label's name, or any other name with an optional DNS prefix."""
    yield from invalid_all(path, key, names.is_qualified_name(key))


def labels(path: str, given: Object | None) -> Errors:
    """A map of labels; errors stand at the map's own path."""
    for key, value in (given or {}).items():
        yield from label_key(path, key)
        yield from invalid_all(path, value, names.is_label_value(value))


def object_annotations(path: str, given: Object | None) -> Errors:
    """A map of annotations: names as for labels but in any case, all together 256 KiB."""
    size = 0
    for key, value in (given or {}).items():
        yield from invalid_all(path, key, names.is_qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_BYTES:
        yield too_long(path, _ANNOTATIONS_BYTES)


def label_selector(path: str, selector: Object | None) -> Errors:
    """A LabelSelector object, if there is one."""
    if selector is None:
        return
    yield from labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for at, expression in indexed(f"{path}.matchExpressions", selector.get("matchExpressions")):
        operator, values = expression.get("operator"), expression.get("values")
        if operator in ("In", "NotIn"):
            if not values:
                yield required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{at}.values", detail)
        else:
            yield invalid(f"{at}.operator", operator, "not a valid selector operator")
        yield from label_key(f"{at}.key", expression.get("key") or "")
        for value_at, value in indexed(f"{at}.values", values):
            yield from invalid_all(value_at, value, names.is_label_value(value))


def parsed(selector: Object | None) -> LabelSelector | None:
    """The selector to match with: nothing when there is none, None when it is malformed."""
    if selector is None:
        return NOTHING
    try:
        return from_label_selector(selector)
    except ValueError:
        return None
