"""Watches: the changes of a collection or of one object, as they happen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.session import Session
from podyard.kubectl.transport import JSON, BrokenStreamError

Event = tuple[str, dict[str, Any]]
"""The type (ADDED, MODIFIED, DELETED) and the object."""


class WatchError(ApiError):
    """The server ended a watch with an event of type ERROR."""


def watch(
    session: Session,
    resource: Resource,
    namespace: str,
    query: dict[str, str],
    *,
    timeout: float = 0,
    accept: str = JSON,
) -> Iterator[Event]:
    """Changes, until the watch ends: by the server, by its own end, or after `timeout` seconds.

    Raises ApiError when it is refused, WatchError for ERROR.
    """
    asked = {**query, "watch": "true"}
    if timeout > 0:
        asked["timeoutSeconds"] = str(max(1, int(timeout + 0.999)))
    path = resource.path(namespace)
    with suppress(BrokenStreamError), session.transport.stream(path, asked, accept) as stream:
        for line in stream:
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise WatchError(event["object"])
            if event["type"] != "BOOKMARK":
                yield event["type"], event["object"]


class TimedOut(CommandError):
    """What was waited for has not come in time."""


def follow_object(
    session: Session, resource: Resource, namespace: str, name: str, timeout: float = 0
) -> Iterator[Event]:
    """The state of one object now (ADDED, if it exists) and every change, over broken watches.

    When nothing is there, nothing comes until it is created. Raises TimedOut after `timeout`
    seconds; 0 waits for ever.
    """
    end = time.monotonic() + timeout if timeout > 0 else None
    selector = {"fieldSelector": f"metadata.name={name}"}
    while True:
        listed = session.transport.json("GET", resource.path(namespace), query=selector)
        for item in listed.get("items") or ():
            kind = str(listed.get("kind", "")).removesuffix("List")
            yield "ADDED", {"apiVersion": listed.get("apiVersion"), "kind": kind, **item}
        if not listed.get("items"):
            yield "ABSENT", {}
        version = {"resourceVersion": str(listed["metadata"].get("resourceVersion", ""))}
        left = max(0.001, end - time.monotonic()) if end is not None else 0
        try:
            yield from watch(session, resource, namespace, {**selector, **version}, timeout=left)
        except ApiError as error:
            if error.http_code != 410:
                raise
        if end is not None and time.monotonic() >= end:
            raise TimedOut("timed out waiting for the condition")
