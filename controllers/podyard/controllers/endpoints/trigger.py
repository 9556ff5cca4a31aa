"""When the change behind an Endpoints update happened (endpoints.kubernetes.io/last-change-trigger-time).

Source: k8s.io/endpointslice trigger_time_tracker.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from podyard.api.times import to_rfc3339
from podyard.client.informer import Key, key_of
from podyard.controllers.meta import Object, created_at
from podyard.controllers.pods import ready_since


class TriggerTimes:
    """Remembers, for each Service, the times at which its pods last changed their readiness."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[dict[str, float], float]] = {}

    def forget(self, service: Key) -> None:
        """The Service is gone."""
        self._known.pop(service, None)

    def changed_at(self, service: Object, pods: Iterable[Object]) -> str:
        """The earliest change since the last call for this Service; "" when nothing has changed."""
        key, created = key_of(service), created_at(service)
        before, known_created = self._known.get(key, ({}, 0.0))
        times = {str(pod["metadata"]["name"]): ready_since(pod) for pod in pods}
        self._known[key] = (times, created)
        changes = [time for name, time in times.items() if time > before.get(name, 0.0)]
        if created > known_created:
            changes.append(created)
        return to_rfc3339(min(changes)) if changes else ""
