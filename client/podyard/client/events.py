"""Events: what a component tells users about an object (`kubectl describe`, `kubectl get events`)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime

from podyard.api.errors import StatusError
from podyard.api.resources import EVENTS
from podyard.client.client import Client, Object

logger = logging.getLogger("events")

REMEMBERED = 4096
"""How many distinct events are remembered, to count repetitions instead of adding objects."""


class EventRecorder:
    """Writes Events in the background, in order; equal ones raise the count of the first.

    Losing an event never fails the caller: when the apiserver is away they are dropped, with a
    line in the log (client-go's recorder does the same).
    """

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._source = {"component": component, **({"host": host} if host else {})}
        self._seen: OrderedDict[tuple[str, ...], Object] = OrderedDict()
        self._queue: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self._references: dict[tuple[str, ...], Object] = {}

    def event(self, about: Object, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record one event. `about` needs apiVersion, kind and metadata; `type_` is Normal or Warning.

        `field_path` names a part of it, such as "spec.containers{nginx}".
        """
        metadata = about["metadata"]
        reference = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if metadata.get("namespace"):
            reference["namespace"] = metadata["namespace"]
        if field_path:
            reference["fieldPath"] = field_path
        key = (
            about["kind"],
            metadata.get("namespace", "default"),
            metadata["name"],
            metadata.get("uid", ""),
            field_path,
            type_,
            reason,
            message,
        )
        self._references[key] = reference
        self._queue.put_nowait(key)

    async def run(self) -> None:
        """Write what was recorded, until cancelled."""
        while True:
            key = await self._queue.get()
            try:
                await self._write(key, self._references.pop(key, None))
            except StatusError as error:
                logger.warning("event %s lost: %s", key[-2:], error)
            except Exception:
                logger.exception("event %s lost", key[-2:])

    async def _write(self, key: tuple[str, ...], reference: Object | None) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        seen = self._seen.get(key)
        if seen is not None:
            seen = {**seen, "count": seen["count"] + 1, "lastTimestamp": now}
            self._seen[key] = seen
            self._seen.move_to_end(key)
            patch = {"count": seen["count"], "lastTimestamp": now}
            try:
                await self._client.patch(
                    EVENTS, seen["metadata"]["name"], seen["metadata"]["namespace"], patch
                )
                return
            except StatusError as error:
                if error.code != 404:
                    raise
                reference = reference or seen["involvedObject"]
        if reference is None:
            return
        *_, type_, reason, message = key
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{reference['name']}.{time.time_ns():x}",
                "namespace": reference.get("namespace", "default"),
            },
            "involvedObject": reference,
            "type": type_,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._client.create(EVENTS, event)
        self._seen[key] = event
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
