"""The gRPC service `podyard.v1.Objects`: a thin adapter over the registry for the components."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, NoReturn

import grpc
import grpc.aio
import orjson
from cryptography import x509
from cryptography.x509.oid import NameOID

from podyard.api.errors import StatusError, bad_request, unauthorized
from podyard.api.resources import Resource, find
from podyard.apiserver.authn import user_of_names
from podyard.apiserver.authz import Attributes, Authorizer, require, selected_fields
from podyard.apiserver.registry import Object, Registry, Stored, User, WriteOptions
from podyard.proto import objects_pb2 as pb
from podyard.proto.objects_pb2_grpc import ObjectsServicer

STATUS_METADATA = "podyard-status-bin"

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.OUT_OF_RANGE,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_METADATA_LIMIT = 4096
"""gRPC refuses replies whose metadata is larger than 8 KiB."""

_MESSAGE_LIMIT = 1024

_SELECTING = ("list", "watch", "deletecollection")
"""The verbs that name objects by selectors."""


class ObjectsService(ObjectsServicer):
    """Answers the components; who asks is in their client certificate, what they may the authorizer says."""

    def __init__(self, registry: Registry, authorizer: Authorizer) -> None:
        self._registry = registry
        self._authorizer = authorizer

    async def Get(self, request: pb.GetRequest, context: Any) -> pb.ObjectReply:
        """Read one object."""
        async with answering(context):
            self._authorize("get", request, context)
            stored = await self._registry.get(
                _resource(request), request.namespace, request.name, subresource=request.subresource
            )
            return pb.ObjectReply(object=stored.data)

    async def List(self, request: pb.ListRequest, context: Any) -> pb.ListReply:
        """Read many."""
        async with answering(context):
            self._authorize("list", request, context)
            listed = await self._registry.list(
                _resource(request),
                request.namespace,
                label_selector=request.label_selector,
                field_selector=request.field_selector,
                limit=request.limit,
                continue_token=getattr(request, "continue"),
            )
            reply = pb.ListReply(
                items=[item.data for item in listed.items], resource_version=str(listed.resource_version)
            )
            setattr(reply, "continue", listed.continue_token)
            return reply

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.WatchEvent]:
        """Follow changes until the client hangs up, is too slow, or the server stops."""
        async with answering(context):
            self._authorize("watch", request, context)
            watch = self._registry.watch(
                _resource(request),
                request.namespace,
                label_selector=request.label_selector,
                field_selector=request.field_selector,
                resource_version=request.resource_version,
            )
            async with contextlib.aclosing(watch):
                async for event in watch:
                    yield pb.WatchEvent(type=event.type, object=event.data)

    async def Create(self, request: pb.CreateRequest, context: Any) -> pb.ObjectReply:
        """Create an object, or post to a sub-resource."""
        async with answering(context):
            self._authorize("create", request, context)
            stored = await self._registry.create(
                _resource(request),
                request.namespace,
                _object(request.object),
                _options(context),
                name=request.name,
                subresource=request.subresource,
            )
            return pb.ObjectReply(object=stored.data)

    async def Update(self, request: pb.UpdateRequest, context: Any) -> pb.ObjectReply:
        """Replace an object."""
        async with answering(context):
            self._authorize("update", request, context)
            stored, _ = await self._registry.update(
                _resource(request),
                request.namespace,
                request.name,
                _object(request.object),
                _options(context),
                subresource=request.subresource,
            )
            return pb.ObjectReply(object=stored.data)

    async def Patch(self, request: pb.PatchRequest, context: Any) -> pb.ObjectReply:
        """Change parts of an object."""
        async with answering(context):
            self._authorize("patch", request, context)
            stored = await self._registry.patch(
                _resource(request),
                request.namespace,
                request.name,
                request.content_type,
                request.patch,
                _options(context),
                subresource=request.subresource,
            )
            return pb.ObjectReply(object=stored.data)

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.ObjectReply:
        """Delete an object."""
        async with answering(context):
            self._authorize("delete", request, context)
            result = await self._registry.delete(
                _resource(request),
                request.namespace,
                request.name,
                _object(request.options) if request.options else {},
                _options(context),
            )
            return pb.ObjectReply(object=result.data if isinstance(result, Stored) else orjson.dumps(result))

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, context: Any) -> pb.ListReply:
        """Delete many."""
        async with answering(context):
            self._authorize("deletecollection", request, context)
            listed = await self._registry.delete_collection(
                _resource(request),
                request.namespace,
                _object(request.options) if request.options else {},
                _options(context),
                label_selector=request.label_selector,
                field_selector=request.field_selector,
            )
            return pb.ListReply(
                items=[item.data for item in listed.items], resource_version=str(listed.resource_version)
            )

    def _authorize(self, verb: str, request: Any, context: Any) -> None:
        """StatusError 401 or 403 unless the caller may."""
        fields = selected_fields(request.field_selector) if verb in _SELECTING else ()
        asked = request.resource
        require(
            self._authorizer,
            Attributes(
                user_of(context),
                verb,
                group=asked.group,
                version=asked.version,
                resource=asked.plural,
                subresource=getattr(request, "subresource", ""),
                namespace=request.namespace,
                name=dict(fields).get("metadata.name", "") if verb in _SELECTING else request.name,
                fields=fields,
            ),
        )


@contextlib.asynccontextmanager
async def answering(context: Any) -> AsyncIterator[None]:
    """Turn a StatusError into the gRPC status of the call."""
    try:
        yield
    except StatusError as error:
        await abort(context, error)


async def abort(context: Any, error: StatusError) -> NoReturn:
    """End the call with a Status in the trailing metadata, cut down where it is too long for that."""
    status = error.status
    encoded = orjson.dumps(status)
    if len(encoded) > _METADATA_LIMIT:
        details = {key: value for key, value in status.get("details", {}).items() if key != "causes"}
        encoded = orjson.dumps({**status, "message": error.message[:_MESSAGE_LIMIT], "details": details})
    await context.abort(
        _CODES.get(error.code, grpc.StatusCode.INTERNAL),
        error.message[:_MESSAGE_LIMIT],
        trailing_metadata=((STATUS_METADATA, encoded),),
    )
    raise AssertionError("unreachable: abort raises")


def user_of(context: Any) -> User:
    """The user that the client's certificate names. StatusError 401 without one.

    A connection may outlive the certificate with which it was made.
    """
    certificates = context.auth_context().get("x509_pem_cert")
    found = _user_of_certificate(next(iter(certificates))) if certificates else None
    if found is None or found[1] < time.time():
        raise unauthorized()
    return found[0]


@lru_cache(maxsize=1024)
def _user_of_certificate(pem: bytes) -> tuple[User, float] | None:
    """The user, and when the certificate ends; None when it does not name one."""
    certificate = x509.load_pem_x509_certificate(pem)
    names, organizations = (
        [str(a.value) for a in certificate.subject.get_attributes_for_oid(kind)]
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )
    user = user_of_names(names, organizations)
    return None if user is None else (user, certificate.not_valid_after_utc.timestamp())


def _options(context: Any) -> WriteOptions:
    return WriteOptions(user_of(context))


def _resource(request: Any) -> Resource:
    asked = request.resource
    resource = find(asked.group, asked.version, asked.plural)
    if resource is None:
        raise bad_request(f"no resource {asked.plural} in {asked.group}/{asked.version}")
    return resource


def _object(data: bytes) -> Object:
    try:
        obj = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object is not JSON: {error}") from None
    if not isinstance(obj, dict):
        raise bad_request("the object is not a JSON object")
    return obj
