"""PATCH: from a content type and a body to a change of an object."""

from __future__ import annotations

from typing import Any

import orjson

from podyard.api.errors import StatusError, bad_request, status_error, unsupported_media_type
from podyard.api.patch import PatchError, json_patch, merge_patch, strategic_merge_patch
from podyard.api.resources import Resource
from podyard.apiserver.registry import Object

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


def decode_patch(content_type: str, patch: bytes) -> Any:
    """The patch as JSON. StatusError 415 for another kind of patch, 400 for what is not JSON."""
    if content_type not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH):
        raise unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            f"{JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_MERGE_PATCH}"
        )
    try:
        return orjson.loads(patch)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from None


def apply_patch(resource: Resource, obj: Object, content_type: str, patch: Any) -> Object:
    """The object after the patch. StatusError 400 or 422."""
    try:
        if content_type == JSON_PATCH:
            return json_patch(obj, patch)
        if content_type == MERGE_PATCH:
            return merge_patch(obj, patch)
        return strategic_merge_patch(resource.group_version, resource.kind, obj, patch)
    except PatchError as error:
        raise _refused(error) from None


def _refused(error: PatchError) -> StatusError:
    reason = "BadRequest" if error.code == 400 else "Invalid"
    return status_error(error.code, reason, str(error))
