"""What a list or a watch asks for: a namespace, labels and fields."""

from __future__ import annotations

from dataclasses import dataclass

from podyard.api.errors import bad_request
from podyard.api.selectors import LabelSelector, parse_field_selector, parse_label_selector
from podyard.apiserver.cacher.fields import canonical_label
from podyard.apiserver.registry import Stored


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in the cache with what selectors look at."""

    stored: Stored
    labels: dict[str, str]
    fields: dict[str, str]
    values: tuple[str, ...] = ()
    """What `index_values` says."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty parts select everything. `fields` are (label, equal?, value)."""

    namespace: str = ""
    labels: LabelSelector | None = None
    fields: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, entry: Entry) -> bool:
        """Whether the object is wanted."""
        if self.namespace and entry.stored.namespace != self.namespace:
            return False
        if self.labels is not None and not self.labels.matches(entry.labels):
            return False
        return all((_field(entry, label) == value) is equal for label, equal, value in self.fields)

    @property
    def selects(self) -> bool:
        """Whether there is any selector beside the namespace."""
        return self.labels is not None or bool(self.fields)


def _field(entry: Entry, label: str) -> str:
    if label == "metadata.name":
        return entry.stored.name
    if label == "metadata.namespace":
        return entry.stored.namespace
    return entry.fields[label]


def parse_selection(
    group_resource: str, namespace: str, label_selector: str, field_selector: str
) -> Selection:
    """Read the selectors of a request; StatusError 400 when they are wrong."""
    try:
        labels = parse_label_selector(label_selector) if label_selector else None
        parsed = parse_field_selector(field_selector) if field_selector else []
        fields = tuple(
            (canonical_label(group_resource, label), op != "!=", value) for label, op, value in parsed
        )
    except ValueError as error:
        raise bad_request(str(error)) from None
    return Selection(namespace, labels, fields)
