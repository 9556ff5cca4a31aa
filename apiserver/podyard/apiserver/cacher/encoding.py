"""Objects as bytes: encoded once, with the resource version in a known place.

The revision is known only after the commit, so objects are stored without it and it is put in
afterwards; it is the first field of `metadata`, which makes that a search of some 50 bytes.
"""

from __future__ import annotations

from typing import Any

import orjson

_MARK = b'"resourceVersion":"'


def encode(obj: dict[str, Any]) -> bytes:
    """An object's JSON with an empty resourceVersion; it needs apiVersion, kind and metadata."""
    metadata = {"resourceVersion": "", **obj["metadata"]}
    metadata["resourceVersion"] = ""
    head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    rest = {key: value for key, value in obj.items() if key not in head}
    return orjson.dumps({**head, **rest})


def at_revision(data: bytes, revision: int) -> bytes:
    """The same object with this resourceVersion. `data` comes from `encode`."""
    start = data.index(_MARK) + len(_MARK)
    end = data.index(b'"', start)
    return b"%b%d%b" % (data[:start], revision, data[end:])


def without_revision(data: bytes) -> bytes:
    """The same object without any, as it is before it is stored. `data` comes from `encode`."""
    start = data.index(_MARK)
    return data[:start] + data[start:].removeprefix(_MARK + b'"').removeprefix(b",")


def storage_key(group_resource: str, namespace: str, name: str) -> str:
    """Where an object is stored: "pods/default/web", "nodes//node1"."""
    return f"{group_resource}/{namespace}/{name}"


def split_key(key: str) -> tuple[str, str, str]:
    """The group resource, namespace and name of a storage key."""
    group_resource, namespace, name = key.split("/", 2)
    return group_resource, namespace, name
