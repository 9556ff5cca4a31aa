"""The component API's client: Kubernetes objects over gRPC."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
import orjson

from podyard.api.errors import StatusError, service_unavailable, status_error
from podyard.api.resources import Resource
from podyard.process.tls import TlsFiles
from podyard.proto import objects_pb2 as pb
from podyard.proto.objects_pb2_grpc import ObjectsStub

if TYPE_CHECKING:
    from podyard.proto.objects_pb2_grpc import ObjectsAsyncStub

Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

STATUS_METADATA = "podyard-status-bin"

# An apiserver that was restarted is found again at once. (In spite of its name the minimum is not
# a pause but the time that one attempt has: a TLS handshake on a busy machine needs some.)
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]

CERTIFICATE_CHECK_SECONDS = 5.0
"""How often to look whether one's certificate has been replaced."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """What a list gave, and the resource version from which a watch goes on."""

    items: list[Object]
    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Client:
    """Calls to the apiserver's component API.

    Every call raises `podyard.api.errors.StatusError`: with the server's own Status when it
    refuses, with code 503 when it cannot be reached.
    """

    def __init__(self, target: str, tls: TlsFiles) -> None:
        self._target = target
        self._tls = tls
        self._dial()

    def _dial(self) -> None:
        self._version = self._tls.version()
        self._channel = grpc.aio.secure_channel(
            self._target, self._tls.channel_credentials(), options=CHANNEL_OPTIONS
        )
        self._stub = cast("ObjectsAsyncStub", ObjectsStub(self._channel))

    async def follow_certificate(self) -> None:
        """For ever: when this process' certificate has been replaced, connect anew with it.

        Calls that are under way may finish; watches are cut off, and come back over the new connection.
        """
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_SECONDS)
            with contextlib.suppress(OSError):  # half replaced: the next round sees it whole
                if self._tls.version() != self._version:
                    old = self._channel
                    self._dial()
                    await old.close(grace=CERTIFICATE_CHECK_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        """Read one object."""
        request = pb.GetRequest(
            resource=_resource(resource), namespace=namespace, name=name, subresource=subresource
        )
        return await self._call(self._stub.Get, request)

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        transform: Callable[[Object], Object] | None = None,
    ) -> ObjectList:
        """Read the objects of a namespace, or of all when it is empty.

        With `transform` the list has what it makes of each object: of a hundred thousand, whole ones
        are never in memory at once.
        """
        request = pb.ListRequest(
            resource=_resource(resource),
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
        )
        setattr(request, "continue", continue_token)
        with _refusals():
            reply = await self._stub.List(request)
        decoded = map(orjson.loads, reply.items)
        items = list(map(transform, decoded) if transform else decoded)
        return ObjectList(items, reply.resource_version, getattr(reply, "continue"))

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Follow changes after `resource_version` until the server ends the stream.

        Raises StatusError with code 410 when that version is too old: list again.
        """
        request = pb.WatchRequest(
            resource=_resource(resource),
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            resource_version=resource_version,
        )
        call = self._stub.Watch(request)
        try:
            with _refusals():
                async for event in call:
                    yield WatchEvent(event.type, orjson.loads(event.object))
        finally:
            call.cancel()

    async def create(
        self, resource: Resource, obj: Object, namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> Object:
        """Create an object, or post to the sub-resource of the object `name`."""
        request = pb.CreateRequest(
            resource=_resource(resource),
            namespace=namespace or obj.get("metadata", {}).get("namespace", ""),
            name=name,
            subresource=subresource,
            object=orjson.dumps(obj),
        )
        return await self._call(self._stub.Create, request)

    async def update(self, resource: Resource, obj: Object, *, subresource: str = "") -> Object:
        """Replace an object; with its resourceVersion set, only if nobody else has meanwhile (409)."""
        metadata = obj["metadata"]
        request = pb.UpdateRequest(
            resource=_resource(resource),
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            subresource=subresource,
            object=orjson.dumps(obj),
        )
        return await self._call(self._stub.Update, request)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
    ) -> Object:
        """Change parts of an object."""
        request = pb.PatchRequest(
            resource=_resource(resource),
            namespace=namespace,
            name=name,
            subresource=subresource,
            content_type=content_type,
            patch=orjson.dumps(patch),
        )
        return await self._call(self._stub.Patch, request)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
    ) -> Object:
        """Delete an object; `uid` and `resource_version` are preconditions (409 when they differ)."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if any(preconditions.values()):
            options["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if propagation_policy:
            options["propagationPolicy"] = propagation_policy
        request = pb.DeleteRequest(
            resource=_resource(resource), namespace=namespace, name=name, options=orjson.dumps(options)
        )
        return await self._call(self._stub.Delete, request)

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        """Delete every object of a resource in a namespace, in the background."""
        request = pb.DeleteCollectionRequest(
            resource=_resource(resource),
            namespace=namespace,
            options=orjson.dumps(
                {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            ),
        )
        with _refusals():
            await self._stub.DeleteCollection(request)

    async def _call(self, method: Any, request: Any) -> Object:
        with _refusals():
            reply = await method(request)
        return cast(Object, orjson.loads(reply.object))


def _resource(resource: Resource) -> pb.Resource:
    return pb.Resource(group=resource.group, version=resource.version, plural=resource.plural)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Raise StatusError for a call that has failed.

    A call that ends with its connection, as `follow_certificate` has it, looks like a task that is cancelled.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise to_status_error(error) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise service_unavailable("the apiserver cannot be reached: the connection was closed") from None


def to_status_error(error: grpc.aio.AioRpcError) -> StatusError:
    """The Status that came with a failed call, or one made from the gRPC code.

    CANCELLED, when it is not this side's own doing, is a server that stops with the call open.
    """
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_METADATA:
            return StatusError(orjson.loads(value))
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return service_unavailable(f"the apiserver cannot be reached: {error.details()}")
    return status_error(500, "InternalError", f"{error.code().name}: {error.details()}")


def add_server_argument(parser: argparse.ArgumentParser) -> None:
    """Add --server, the apiserver's component API."""
    parser.add_argument(
        "--server", required=True, metavar="HOST:PORT", help="the apiserver's component API (gRPC)"
    )
