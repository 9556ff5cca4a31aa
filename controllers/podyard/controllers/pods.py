"""What controllers ask about a pod: is it available, active (k8s.io/kubernetes pkg/api/v1/pod)."""

from __future__ import annotations

from podyard.api.objects import find_condition, is_ready
from podyard.api.times import from_rfc3339
from podyard.controllers.meta import Object, is_terminating, status_of


def phase_of(pod: Object) -> str:
    """status.phase; a pod without one is pending."""
    return str(status_of(pod).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Whether all its containers have ended for good."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether it counts as a replica: not finished and not being deleted."""
    return not is_finished(pod) and not is_terminating(pod)


def ready_since(pod: Object) -> float:
    """When it became ready, in seconds since the epoch; 0 when that is not known."""
    condition = find_condition(status_of(pod).get("conditions"), "Ready")
    text = (condition or {}).get("lastTransitionTime")
    return from_rfc3339(text) if text else 0.0


def available_in(pod: Object, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until a ready pod counts as available: 0 when it does, None when it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds <= 0:
        return 0.0
    return max(ready_since(pod) + min_ready_seconds - now, 0.0)


def restarts(pod: Object) -> int:
    """The most restarts that any of its containers has had."""
    statuses = status_of(pod).get("containerStatuses") or ()
    return max((s.get("restartCount", 0) for s in statuses), default=0)
