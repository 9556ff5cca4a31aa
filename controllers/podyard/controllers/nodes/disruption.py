"""Saying in a pod's status why the control plane ends it (the DisruptionTarget condition)."""

from __future__ import annotations

from podyard.api.resources import PODS
from podyard.api.times import to_rfc3339
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client
from podyard.controllers.meta import Object


async def disrupt(
    client: Client, pod: Object, reason: str, message: str, now: float, *, phase: str = ""
) -> None:
    """Set the condition, and the phase if one is given. Raises StatusError."""
    metadata = pod["metadata"]
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": to_rfc3339(now),
    }
    status: Object = {"conditions": [condition], **({"phase": phase} if phase else {})}
    await client.patch(
        PODS,
        metadata["name"],
        metadata["namespace"],
        {"metadata": {"uid": metadata["uid"]}, "status": status},
        content_type=STRATEGIC_MERGE_PATCH,
        subresource="status",
    )
