"""Objects of kinds that nothing more is known of: every field, in order."""

from __future__ import annotations

import re
from typing import Any

from podyard.kubectl.describe.events import describe_events
from podyard.kubectl.describe.lines import Lines, heading, labels_and_annotations
from podyard.kubectl.gotext import go_print
from podyard.kubectl.session import Session

Object = dict[str, Any]

_ACRONYMS = ("API", "URL", "UID", "OSB", "GUID")
_SHOWN = frozenset(
    f".metadata.{field}" for field in ("managedFields", "name", "namespace", "labels", "annotations")
)


def anything(session: Session, obj: Object, events: list[Object] | None) -> str:
    """Any object."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    _fields(lines, obj, 0, "")
    describe_events(lines, events)
    return lines.text()


def _fields(lines: Lines, content: Object, level: int, prefix: str) -> None:
    for field in sorted(content):
        value, path = content[field], f"{prefix}.{field}"
        if path in _SHOWN:
            continue
        if not isinstance(value, (dict, list)):
            lines.named(label_for(field), go_print(value), level)
            continue
        lines.add(f"{label_for(field)}:", level)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict):
                _fields(lines, child, level + 1, path)
            else:
                lines.add(go_print(child), level + 1)


def label_for(field: str) -> str:
    """`creationTimestamp` as "Creation Timestamp"; a name with other characters stays as it is."""
    if not all(character.isalpha() or character == "-" for character in field):
        return field
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^A-Za-z]+", field)
    return " ".join(
        part.upper() if part.upper() in _ACRONYMS else part[:1].upper() + part[1:] for part in parts
    )
