"""Volumes that tell a pod about itself (pkg/volume/downwardapi, pkg/fieldpath). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard.kubelet.env import EnvError, Sources, field_value, resource_value
from podyard.kubelet.volumes import ContentError, File, Files, Inputs, Needs
from podyard.kubelet.volumes.items import item_mode, mode_of

Object = dict[str, Any]

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def needs(source: Object) -> Needs:
    """Nothing but the pod."""
    return Needs()


def files(source: Object, inputs: Inputs) -> Files:
    """A file for each item. Raises ContentError."""
    return files_of(source, mode_of(source), inputs)


def files_of(source: Object, mode: int, inputs: Inputs) -> Files:
    """The same for a projected volume's source, which leaves the mode to its volume."""
    found = {}
    for item in source.get("items") or ():
        try:
            value = _value(item, inputs)
        except EnvError as error:
            raise ContentError(str(error)) from None
        found[item["path"]] = File(value.encode(errors="surrogateescape"), item_mode(item, mode))
    return found


def _value(item: Object, inputs: Inputs) -> str:
    pod = inputs.pod
    if reference := item.get("resourceFieldRef"):
        return resource_value(pod, {"name": ""}, reference, inputs.allocatable)
    path = item["fieldRef"]["fieldPath"]
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(pod["metadata"].get(path.partition(".")[2]) or {})
    return field_value(pod, path, Sources())


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations, a line `key="value"` each, sorted (fieldpath.FormatMap)."""
    return "\n".join(f"{key}={quote(values[key])}" for key in sorted(values))


def quote(text: str) -> str:
    """The text as a Go string literal (strconv.Quote)."""
    return '"' + "".join(_ESCAPES.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    number = ord(char)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
