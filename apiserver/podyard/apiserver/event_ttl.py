"""Events are forgotten an hour after they were last seen (kube-apiserver's --event-ttl)."""

from __future__ import annotations

import logging

from podyard.api.errors import StatusError
from podyard.api.resources import EVENTS
from podyard.api.times import from_rfc3339
from podyard.apiserver.bootstrap import USER
from podyard.apiserver.registry import Object, Registry, WriteOptions
from podyard.process.clock import Clock

logger = logging.getLogger("event-ttl")

TTL_SECONDS = 3600.0
SWEEP_SECONDS = 60.0


async def expire_events(registry: Registry, clock: Clock) -> None:
    """Delete what is too old, for ever."""
    while True:
        await clock.sleep(SWEEP_SECONDS)
        try:
            await sweep(registry, clock.now())
        except StatusError as error:
            logger.warning("expiring events: %s", error)


async def sweep(registry: Registry, now: float) -> None:
    """Delete the events that are too old at `now` (seconds since the epoch)."""
    for stored in (await registry.list(EVENTS, "")).items:
        if now - last_seen(stored.decode()) < TTL_SECONDS:
            continue
        preconditions = {"resourceVersion": str(stored.resource_version)}
        try:
            await registry.delete(
                EVENTS, stored.namespace, stored.name, {"preconditions": preconditions}, WriteOptions(USER)
            )
        except StatusError as error:
            if error.code not in (404, 409):  # gone, or seen again meanwhile
                raise


def last_seen(event: Object) -> float:
    """When an event happened for the last time, in seconds since the epoch."""
    series = event.get("series") or {}
    times = [
        event["metadata"]["creationTimestamp"],
        event.get("lastTimestamp"),
        event.get("eventTime"),
        series.get("lastObservedTime"),
    ]
    return max(from_rfc3339(time) for time in times if time)
