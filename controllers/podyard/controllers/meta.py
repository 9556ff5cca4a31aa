"""What controllers read in, and write to, the metadata and conditions of any object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from podyard.api.objects import controller_of
from podyard.api.times import from_rfc3339

Object = dict[str, Any]


def controller_reference(owner: Object) -> Object:
    """An owner reference that makes `owner` the controller (metav1.NewControllerRef)."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_index(obj: Object) -> tuple[str]:
    """Index values: the uid of an object's controller, or `orphans(namespace)` when it has none."""
    reference = controller_of(obj)
    return (reference["uid"] if reference else orphans(obj["metadata"].get("namespace", "")),)


def orphans(namespace: str) -> str:
    """The value under which `controller_index` finds the objects of a namespace without a controller."""
    return f"orphan/{namespace}"


def is_terminating(obj: Object) -> bool:
    """Whether a deletion of the object has begun."""
    return "deletionTimestamp" in obj["metadata"]


def labels_of(obj: Object) -> dict[str, str]:
    """Labels; empty when there are none."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """Annotations; empty when there are none."""
    return obj["metadata"].get("annotations") or {}


def created_at(obj: Object) -> float:
    """Creation time in seconds since the epoch; 0 for an object that is not stored yet."""
    text = obj["metadata"].get("creationTimestamp")
    return from_rfc3339(text) if text else 0.0


def status_of(obj: Object) -> Object:
    """The status; empty when there is none."""
    return obj.get("status") or {}


def without_zeros(status: Object, keep: Sequence[str] = ()) -> Object:
    """A status as Kubernetes writes it: counters of 0 and empty lists are left out, but for `keep`."""
    return {k: v for k, v in status.items() if k in keep or (v is not None and v != 0 and v != [])}


def classify(
    owner: Object, objects: Iterable[Object], matches: Callable[[Object], bool]
) -> tuple[list[Object], list[Object], list[Object]]:
    """Sort objects into (owned, to be adopted, to be released) (PodControllerRefManager.ClaimObject)."""
    owned, adopt, release = [], [], []
    uid, dying = owner["metadata"]["uid"], is_terminating(owner)
    for obj in objects:
        reference = controller_of(obj)
        if reference is not None:
            if reference["uid"] != uid:
                continue
            if matches(obj):
                owned.append(obj)
            elif not dying:
                release.append(obj)
        elif not dying and not is_terminating(obj) and matches(obj):
            adopt.append(obj)
    return owned, adopt, release
