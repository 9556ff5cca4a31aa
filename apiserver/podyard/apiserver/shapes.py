"""One object or many in the shape a client accepts: whole, as a Table, or as metadata alone.

Whole objects are never decoded: a list joins their bytes.
"""

from __future__ import annotations

from typing import Any

import orjson

from podyard.api.resources import Resource
from podyard.apiserver.negotiate import Accepted
from podyard.apiserver.registry import Listed, Stored
from podyard.apiserver.table.render import table

Object = dict[str, Any]


def one(resource: Resource, stored: Stored, accepted: Accepted, include_object: str) -> bytes:
    """The encoded answer for one object. `include_object`: a Table's None, Metadata or Object."""
    if accepted.shape == "object":
        return stored.data
    obj = stored.decode()
    if accepted.shape == "table":
        if obj.get("kind") == "Status":
            return stored.data
        version = str(stored.resource_version)
        return orjson.dumps(
            table(resource, [obj], {"resourceVersion": version}, accepted.version, include_object)
        )
    return orjson.dumps(partial(obj, accepted.version))


def many(resource: Resource, listed: Listed, accepted: Accepted, include_object: str) -> bytes:
    """The encoded answer for a list."""
    metadata: Object = {"resourceVersion": str(listed.resource_version)}
    if listed.continue_token:
        metadata["continue"] = listed.continue_token
    if listed.remaining:
        metadata["remainingItemCount"] = listed.remaining
    if accepted.shape == "table":
        objects = [stored.decode() for stored in listed.items]
        return orjson.dumps(table(resource, objects, metadata, accepted.version, include_object))
    if accepted.shape in ("partial", "partiallist"):
        items = [orjson.dumps(partial(stored.decode(), accepted.version)) for stored in listed.items]
        return _join("PartialObjectMetadataList", f"meta.k8s.io/{accepted.version}", metadata, items)
    return _join(
        f"{resource.kind}List", resource.group_version, metadata, [stored.data for stored in listed.items]
    )


def partial(obj: Object, version: str) -> Object:
    """An object's metadata alone, as PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def _join(kind: str, api_version: str, metadata: Object, items: list[bytes]) -> bytes:
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.encode(),
        api_version.encode(),
        orjson.dumps(metadata),
    )
    return b"".join((head, b",".join(items), b"]}"))
