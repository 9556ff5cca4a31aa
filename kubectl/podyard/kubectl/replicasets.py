"""The ReplicaSets of a Deployment: its revisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podyard.kubectl.describe.lines import controller, label_selector
from podyard.kubectl.session import Session

Object = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"


def owned(session: Session, deployment: Object) -> list[Object]:
    """The ReplicaSets of a Deployment, the oldest first."""
    metadata = deployment["metadata"]
    path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/replicasets"
    query = {"labelSelector": label_selector(deployment["spec"]["selector"])}
    items = session.transport.json("GET", path, query=query).get("items") or ()
    mine = [item for item in items if (controller(item) or {}).get("uid") == metadata.get("uid")]
    return sorted(mine, key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]))


def newest(deployment: Object, sets: list[Object]) -> Object | None:
    """The one whose pods are as the Deployment wants them now."""
    wanted = without_hash(deployment["spec"]["template"])
    return next((one for one in sets if without_hash(one["spec"]["template"]) == wanted), None)


def without_hash(template: Mapping[str, Any]) -> Object:
    """A pod template without the label that tells revisions apart."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    metadata["labels"] = labels
    metadata.pop("creationTimestamp", None)
    return {**template, "metadata": metadata}


def revision(obj: Mapping[str, Any]) -> int:
    """The number of a revision; 0 when it has none."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdigit() else 0
