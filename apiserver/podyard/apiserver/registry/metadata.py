"""metadata: what the server sets, and what an update may not touch (apiserver/pkg/registry/rest)."""

from __future__ import annotations

import uuid

from podyard.api.errors import bad_request
from podyard.api.names import generate_name
from podyard.api.resources import Resource
from podyard.api.times import to_rfc3339
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import keep

_SERVERS = ("managedFields", "selfLink")
_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
_EMPTY_DROPPED = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")


def begin(resource: Resource, namespace: str, obj: Object, now: float) -> None:
    """Give a new object its identity, in place. StatusError 400 when it is for another namespace."""
    metadata = obj.setdefault("metadata", {})
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for key in (*_SERVERS, *_DELETION, "resourceVersion", "generation"):
        metadata.pop(key, None)
    locate(resource, namespace, metadata)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = to_rfc3339(now)
    name(metadata)
    drop_empty(metadata)


def name(metadata: Object) -> None:
    """Make up a name when only its beginning is given."""
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(metadata["generateName"])


def locate(resource: Resource, namespace: str, metadata: Object) -> None:
    """Put an object into the namespace of the request, or a cluster-scoped one into none."""
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if not namespace:
        raise bad_request("an empty namespace may not be set during creation")
    own = metadata.setdefault("namespace", namespace) or namespace
    metadata["namespace"] = own
    if own != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def carry_over(resource: Resource, new: Object, old: Object) -> None:
    """Complete an update's metadata from the old object; what may not change is put back."""
    metadata, before = new.setdefault("metadata", {}), old["metadata"]
    locate(resource, before.get("namespace", ""), metadata)
    for key in _SERVERS:
        metadata.pop(key, None)
    for key in ("name", "uid", "creationTimestamp", "generateName"):
        if not metadata.get(key) and key in before:
            metadata[key] = before[key]
    for key in (*_DELETION, "generation"):
        keep(metadata, before, key)
    drop_empty(metadata)


def drop_empty(metadata: Object) -> None:
    """Leave out empty maps and lists, as Kubernetes' encoding does."""
    for key in _EMPTY_DROPPED:
        if key in metadata and not metadata[key]:
            del metadata[key]


def desired_state_changed(new: Object, old: Object) -> bool:
    """Whether anything differs but metadata and status: what `metadata.generation` counts."""
    ignored = {"apiVersion", "kind", "metadata", "status"}
    return any(new.get(key) != old.get(key) for key in {*new, *old} - ignored)
