"""Which keys of a Secret or ConfigMap become which files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard.kubelet.volumes import ContentError, File, Files

Object = dict[str, Any]

DEFAULT_MODE = 0o644


def mode_of(source: Object) -> int:
    """The mode of the files that name none of their own."""
    mode = source.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)


def select(data: Mapping[str, bytes], source: Object, mode: int, missing: str) -> Files:
    """The files of `data`: every key, or those that `source.items` lists, at the paths they give.

    `missing` begins the error about a key that is listed and not there, which an optional source lets pass.
    """
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        key = item["key"]
        if key in data:
            files[item["path"]] = File(data[key], item_mode(item, mode))
        elif not source.get("optional"):
            raise ContentError(f"{missing}: {key}")
    return files


def item_mode(item: Object, mode: int) -> int:
    """An item's own mode, else the volume's."""
    own = item.get("mode")
    return mode if own is None else int(own)
