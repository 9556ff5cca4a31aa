"""New and old ReplicaSets of a Deployment, and their revision numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podyard.api.names import pod_template_hash
from podyard.controllers.deployment.sizes import DESIRED_REPLICAS, MAX_REPLICAS, by_age, max_surge, size
from podyard.controllers.meta import Object, annotations_of, controller_reference, status_of

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
TEMPLATE_HASH = "pod-template-hash"

_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
}
_HISTORY_LIMIT = 2000
"""The longest revision-history annotation, in characters."""


def revision(obj: Object) -> int:
    """The revision number; 0 when there is none."""
    try:
        return int(annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def same_template(a: Object, b: Object) -> bool:
    """Whether two pod templates are equal but for their hash label (EqualIgnoreHash)."""
    return bool(_comparable(a) == _comparable(b))


def _comparable(template: Object) -> Any:
    metadata = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != TEMPLATE_HASH}
    return _without_empty({**template, "metadata": {**metadata, "labels": labels}})


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_empty(v) for k, v in value.items() if v is not None and v != []}
    if isinstance(value, list):
        return [_without_empty(v) for v in value]
    return value


def split(deployment: Object, sets: Iterable[Object]) -> tuple[Object | None, list[Object]]:
    """(the ReplicaSet of the current template or None, all others); the oldest of several equals counts."""
    ordered = by_age(sets)
    template = deployment["spec"]["template"]
    new = next((rs for rs in ordered if same_template(rs["spec"]["template"], template)), None)
    return new, [rs for rs in ordered if rs is not new]


def next_revision(old: Sequence[Object]) -> int:
    """One more than the highest revision among the old ReplicaSets."""
    return max((revision(rs) for rs in old), default=0) + 1


def size_annotations(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet remembers of its Deployment's size, to scale proportionally later."""
    wanted = size(deployment)
    return {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + max_surge(deployment))}


def annotate(deployment: Object, rs: Object, number: int) -> dict[str, str]:
    """The new ReplicaSet's annotations: the Deployment's own and its revision.

    An older ReplicaSet that comes back (rollback) keeps its former numbers in revision-history
    (SetNewReplicaSetAnnotations).
    """
    annotations = dict(annotations_of(rs))
    annotations.update({k: v for k, v in annotations_of(deployment).items() if k not in _NOT_COPIED})
    former = annotations.get(REVISION, "")
    if former and not former.isdecimal():
        return annotations
    if int(former or 0) < number:
        annotations[REVISION] = str(number)
        if former:
            annotations[REVISION_HISTORY] = _remember(annotations.get(REVISION_HISTORY, ""), former)
    return annotations


def _remember(history: str, former: str) -> str:
    numbers = [number for number in history.split(",") if number] + [former]
    while len(numbers) > 1 and len(",".join(numbers)) > _HISTORY_LIMIT:
        numbers.pop(0)
    return ",".join(numbers)


def new_replica_set(deployment: Object, number: int) -> Object:
    """The ReplicaSet for the current template, of size 0 (getNewReplicaSet)."""
    spec, metadata = deployment["spec"], deployment["metadata"]
    hash_ = pod_template_hash(spec["template"], status_of(deployment).get("collisionCount"))
    template_metadata = spec["template"].get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), TEMPLATE_HASH: hash_}
    selector = spec["selector"]
    rs: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            # Room for the hash; an object's name has at most 253 characters.
            "name": f"{metadata['name'][: 253 - 1 - len(hash_)]}-{hash_}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), TEMPLATE_HASH: hash_},
            },
            "template": {**spec["template"], "metadata": {**template_metadata, "labels": labels}},
        },
    }
    if spec.get("minReadySeconds"):
        rs["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    rs["metadata"]["annotations"] = {**annotate(deployment, rs, number), **size_annotations(deployment)}
    return rs
