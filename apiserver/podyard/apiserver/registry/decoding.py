"""Objects on their way in and out: types, unknown fields, served and stored versions."""

from __future__ import annotations

from dataclasses import replace

import orjson

from podyard.api.conversion import convert
from podyard.api.defaults import apply_defaults
from podyard.api.errors import StatusError, bad_request, status_error
from podyard.api.resources import RESOURCES, Resource
from podyard.api.schema import check, prune
from podyard.apiserver.registry import Event, Object, Stored, Watch, WriteOptions

_STORED_AS = {
    resource: next(
        r
        for r in RESOURCES
        if (r.group, r.version) == resource.converts_to and r.kind == resource.kind and not r.converts_to
    )
    for resource in RESOURCES
    if resource.converts_to
}


def stored_as(resource: Resource) -> Resource:
    """The resource under which objects of `resource` are really stored."""
    return _STORED_AS.get(resource, resource)


def decode(resource: Resource, obj: Object, options: WriteOptions) -> Object:
    """Check the types of an object of a request; give it pruned. Raises StatusError 400."""
    kind = resource.kind
    api_version = obj.setdefault("apiVersion", resource.group_version)
    own_kind = obj.setdefault("kind", kind)
    if api_version != resource.group_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version"
            f" ({resource.group_version})"
        )
    prefix = f'{own_kind} in version "{resource.version}" cannot be handled as a {kind}: '
    if own_kind != kind:
        raise bad_request(
            f"{prefix}converting ({api_version}.{own_kind}) to ({api_version}.{kind}): unknown conversion"
        )
    checked = check(resource.group_version, kind, obj)
    if checked.errors:
        raise bad_request(prefix + checked.errors[0])
    if checked.unknown and options.field_validation == "Strict":
        raise bad_request(f"{prefix}strict decoding error: {', '.join(checked.unknown)}")
    if options.field_validation == "Warn":
        options.warnings.extend(checked.unknown)
    return prune(resource.group_version, kind, obj)


def decode_patched(resource: Resource, obj: Object, patch: bytes, options: WriteOptions) -> Object:
    """Check what a patch has made of an object; give it pruned. Raises StatusError 422.

    It stays what it is: a patch that took its kind or version away is as good as one that says them.
    """
    own = {"apiVersion": resource.group_version, "kind": resource.kind}
    obj.update({key: value for key, value in own.items() if obj.get(key) is None})
    if any(obj[key] != value for key, value in own.items()):
        raise invalid_patch(
            patch,
            f"unable to decode {obj['apiVersion']}, Kind={obj['kind']} into {own['apiVersion']}, "
            f"Kind={own['kind']}",
        )
    checked = check(resource.group_version, resource.kind, obj)
    if checked.errors:
        raise invalid_patch(patch, checked.errors[0])
    if checked.unknown and options.field_validation == "Strict":
        raise invalid_patch(patch, f"strict decoding error: {', '.join(checked.unknown)}")
    if options.field_validation == "Warn":
        options.warnings.extend(w for w in checked.unknown if w not in options.warnings)
    return prune(resource.group_version, resource.kind, obj)


def invalid_patch(patch: bytes, why: str) -> StatusError:
    """422: the patch does not lead to an object of the kind."""
    message = f"Invalid value: {orjson.dumps(patch.decode(errors='replace')).decode()}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
    return status_error(422, "Invalid", f' "" is invalid: patch: {message}', causes=[cause])


def to_stored(resource: Resource, obj: Object) -> Object:
    """An object of a request with defaults, in the version in which it is stored."""
    apply_defaults(resource.group_version, resource.kind, obj)
    target = stored_as(resource)
    if target is resource:
        return obj
    try:
        converted = convert(obj, target.group_version)
    except ValueError as error:
        raise bad_request(str(error)) from None
    apply_defaults(target.group_version, target.kind, converted)
    return converted


def to_served(resource: Resource, obj: Object) -> Object:
    """A stored object in the version in which it is asked for."""
    return convert(obj, resource.group_version) if resource.converts_to else obj


def serve(resource: Resource, stored: Stored) -> Stored:
    """The same for encoded objects; the very same one when there is nothing to convert."""
    if not resource.converts_to:
        return stored
    return replace(stored, data=orjson.dumps(to_served(resource, stored.decode())))


class ConvertedWatch:
    """A watch of another version's objects."""

    def __init__(self, resource: Resource, watch: Watch) -> None:
        self._resource = resource
        self._watch = watch

    def __aiter__(self) -> ConvertedWatch:
        return self

    async def __anext__(self) -> Event:
        event = await self._watch.__anext__()
        if event.type == "BOOKMARK":  # made for the served version already
            return event
        return replace(event, data=orjson.dumps(to_served(self._resource, orjson.loads(event.data))))

    async def aclose(self) -> None:
        """Stop following."""
        await self._watch.aclose()
