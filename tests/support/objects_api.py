"""A component API that has just the lists that it is given: for clusters larger than one can make."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import orjson

from podyard.client.client import CHANNEL_OPTIONS, Object
from podyard.process.tls import TlsFiles
from podyard.proto import objects_pb2 as pb
from podyard.proto.objects_pb2_grpc import ObjectsServicer, add_ObjectsServicer_to_server
from tests.support.certificates import Authority


@dataclass
class ObjectsApi(ObjectsServicer):
    """Lists, and a watch that gives what `publish` is called with. Selectors are not looked at."""

    lists: Mapping[str, Sequence[bytes]]
    target: str = ""
    tls: TlsFiles | None = None
    _version: int = 1
    _events: dict[str, list[tuple[int, pb.WatchEvent]]] = field(default_factory=lambda: defaultdict(list))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def publish(self, plural: str, type_: str, obj: Object) -> None:
        """Send an event to everybody who watches. `type_` is ADDED, MODIFIED or DELETED."""
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        event = pb.WatchEvent(type=type_, object=orjson.dumps(obj))
        async with self._changed:
            self._events[plural].append((self._version, event))
            self._changed.notify_all()

    async def _nothing_else(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "lists and watches alone")

    Get = Create = Update = Patch = Delete = DeleteCollection = _nothing_else

    async def List(self, request: pb.ListRequest, context: Any) -> pb.ListReply:
        """The list of this resource."""
        items = self.lists.get(request.resource.plural, ())
        return pb.ListReply(items=items, resource_version=str(self._version))

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.WatchEvent]:
        """What is published after the version that is asked for."""
        events = self._events[request.resource.plural]
        seen = 0
        while True:
            async with self._changed:
                while len(events) == seen:
                    await self._changed.wait()
            for version, event in events[seen:]:
                if version > int(request.resource_version):
                    yield event
                seen += 1


@contextlib.asynccontextmanager
async def objects_api(lists: Mapping[str, Sequence[Object]]) -> AsyncIterator[ObjectsApi]:
    """Serve lists, by plural, on a free port. Every object gets a resourceVersion."""
    encoded = {}
    for plural, objects in lists.items():
        for obj in objects:
            obj["metadata"]["resourceVersion"] = "1"
        encoded[plural] = [orjson.dumps(obj) for obj in objects]
    with tempfile.TemporaryDirectory(prefix="podyard-pki-") as place:
        authority = Authority(Path(place))
        own = authority.issue("apiserver")
        server = grpc.aio.server(options=CHANNEL_OPTIONS)
        api = ObjectsApi(encoded, tls=authority.issue("kubernetes-admin", "system:masters"))
        add_ObjectsServicer_to_server(api, server)
        port = server.add_secure_port("127.0.0.1:0", own.server_credentials())
        api.target = f"127.0.0.1:{port}"
        await server.start()
        try:
            yield api
        finally:
            await server.stop(None)
