"""Watches: one line of JSON an event, or one message of a WebSocket, for as long as both sides want."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import aclosing

import orjson
from aiohttp import web

from podyard.api.errors import StatusError
from podyard.api.resources import Resource
from podyard.apiserver.answers import content_type
from podyard.apiserver.bodies import boolean, integer
from podyard.apiserver.lasting import Write, lasting_answer
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.negotiate import Accepted
from podyard.apiserver.registry import Event, Registry, Watch
from podyard.apiserver.shapes import partial
from podyard.apiserver.table.render import table

MIN_TIMEOUT_SECONDS = 1800
"""A watch without `timeoutSeconds` ends after this to twice this (--min-request-timeout)."""

_HEADS = {
    kind: b'{"type":"%b","object":' % kind.encode()
    for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
}


class Watches:
    """Serves watches."""

    def __init__(self, registry: Registry, long_running: LongRunning) -> None:
        self._registry = registry
        self._long_running = long_running

    async def serve(
        self, request: web.Request, resource: Resource, namespace: str, accepted: Accepted, *, name: str = ""
    ) -> web.StreamResponse:
        """Answer a watch request. A version that is too old is told as an ERROR event, as Kubernetes does."""
        query = request.query
        timeout = integer(query, "timeoutSeconds") or random.uniform(1, 2) * MIN_TIMEOUT_SECONDS
        selector = query.get("fieldSelector", "")
        if name:
            selector = f"{selector},metadata.name={name}".lstrip(",")
        encode = _encoder(resource, accepted, query.get("includeObject", ""))
        try:
            watch = self._registry.watch(
                resource,
                namespace,
                label_selector=query.get("labelSelector", ""),
                field_selector=selector,
                resource_version=query.get("resourceVersion", ""),
                bookmarks=boolean(query, "allowWatchBookmarks"),
                send_initial_events=boolean(query, "sendInitialEvents"),
                timeout_seconds=timeout,
            )
        except StatusError as error:
            if error.code != 410:
                raise
            async with lasting_answer(request, content_type(accepted), text=True) as (response, write):
                await write(_error_line(error))
            return response
        async with (
            aclosing(watch),
            lasting_answer(request, content_type(accepted), text=True) as (response, write),
        ):
            await self._follow(watch, write, encode)
        return response

    async def _follow(self, watch: Watch, write: Write, encode: Encode) -> None:
        try:
            with self._long_running.track():
                async for event in watch:
                    await write(encode(event))
        except StatusError as error:
            await write(_error_line(error))


Encode = Callable[[Event], bytes]


def _line(kind: str, data: bytes) -> bytes:
    return b"".join((_HEADS[kind], data, b"}\n"))


def _error_line(error: StatusError) -> bytes:
    return _line("ERROR", orjson.dumps(error.status))


def _encoder(resource: Resource, accepted: Accepted, include_object: str) -> Encode:
    """How an event becomes a line. Whole objects are passed on as they are."""
    if accepted.shape == "table":
        return _TableLines(resource, accepted.version, include_object)
    if accepted.shape in ("partial", "partiallist"):
        return lambda event: _line(
            event.type, orjson.dumps(partial(orjson.loads(event.data), accepted.version))
        )
    return lambda event: _line(event.type, event.data)


class _TableLines:
    """Events as Tables of one row; only the first says what the columns are."""

    def __init__(self, resource: Resource, version: str, include_object: str) -> None:
        self._resource = resource
        self._version = version
        self._include_object = include_object
        self._first = True

    def __call__(self, event: Event) -> bytes:
        objects = [] if event.type == "BOOKMARK" else [orjson.loads(event.data)]
        answer = table(
            self._resource,
            objects,
            {"resourceVersion": str(event.resource_version)},
            self._version,
            self._include_object,
            columns=self._first,
        )
        self._first = False
        return _line(event.type, orjson.dumps(answer))
