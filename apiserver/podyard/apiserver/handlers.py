"""REST verbs on resources: thin, from request to registry and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

from podyard.api.errors import bad_request, unsupported_media_type
from podyard.api.resources import PODS, Resource
from podyard.apiserver import shapes
from podyard.apiserver.answers import answer_bytes, answer_object
from podyard.apiserver.bodies import (
    Object,
    boolean,
    check_identity,
    integer,
    read_delete_options,
    read_object,
    write_options,
)
from podyard.apiserver.context import info_of
from podyard.apiserver.negotiate import Accepted, Shape, negotiate
from podyard.apiserver.registry import Registry, Stored
from podyard.apiserver.watches import Watches

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")

_APPLY_PATCH = "application/apply-patch+yaml"
_ONE: frozenset[Shape] = frozenset(("table", "partial"))
_MANY: frozenset[Shape] = frozenset(("table", "partiallist", "partial"))

# What is posted to (or scaled by) a sub-resource is of another kind than its parent.
_BODY_KINDS = {
    "scale": ("autoscaling/v1", "Scale"),
    "binding": ("v1", "Binding"),
    "eviction": ("policy/v1", "Eviction"),
    "token": ("authentication.k8s.io/v1", "TokenRequest"),
}


class ResourceHandlers:
    """The handlers of the verbs of stored resources and their sub-resources."""

    def __init__(self, registry: Registry, watches: Watches) -> None:
        self._registry = registry
        self._watches = watches
        self.verbs: dict[str, Handler] = {
            "get": self.get,
            "list": self.list,
            "create": self.create,
            "update": self.update,
            "patch": self.patch,
            "delete": self.delete,
            "deletecollection": self.delete_collection,
        }

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET one object, or watch it alone."""
        info, resource = info_of(request), _resource(request)
        if boolean(request.query, "watch") and not info.subresource:
            accepted = negotiate(request.headers.get("Accept", ""), _MANY)
            return await self._watches.serve(request, resource, info.namespace, accepted, name=info.name)
        accepted = negotiate(request.headers.get("Accept", ""), _ONE)
        stored = await self._registry.get(resource, info.namespace, info.name, subresource=info.subresource)
        return _answer_one(request, resource, stored, accepted)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET a collection: list it or watch it."""
        info, resource, query = info_of(request), _resource(request), request.query
        accepted = negotiate(request.headers.get("Accept", ""), _MANY)
        if boolean(query, "watch"):
            return await self._watches.serve(request, resource, info.namespace, accepted)
        listed = await self._registry.list(
            resource,
            info.namespace,
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
            limit=integer(query, "limit"),
            continue_token=query.get("continue", ""),
            resource_version=query.get("resourceVersion", ""),
            resource_version_match=query.get("resourceVersionMatch", ""),
        )
        return answer_bytes(
            request,
            shapes.many(resource, listed, accepted, query.get("includeObject", "")),
            accepted=accepted,
        )

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST an object, or something to a sub-resource."""
        info, resource = info_of(request), _resource(request)
        obj, options = await self._body(request), write_options(request)
        accepted = negotiate(request.headers.get("Accept", ""), _ONE)
        check_identity(obj, resource, info.namespace, info.name)
        if resource.kind == "Binding":
            resource, name, subresource = PODS, str(obj.get("metadata", {}).get("name", "")), "binding"
        else:
            name, subresource = info.name, info.subresource
        stored = await _finish(
            self._registry.create(resource, info.namespace, obj, options, name=name, subresource=subresource)
        )
        return _answer_one(request, resource, stored, accepted, status=201)

    async def update(self, request: web.Request) -> web.StreamResponse:
        """PUT an object."""
        info, resource = info_of(request), _resource(request)
        obj, options = await self._body(request), write_options(request)
        accepted = negotiate(request.headers.get("Accept", ""), _ONE)
        check_identity(obj, resource, info.namespace, info.name)
        stored, created = await _finish(
            self._registry.update(
                resource, info.namespace, info.name, obj, options, subresource=info.subresource
            )
        )
        return _answer_one(request, resource, stored, accepted, status=201 if created else 200)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """PATCH an object."""
        info, resource = info_of(request), _resource(request)
        accepted = negotiate(request.headers.get("Accept", ""), _ONE)
        if request.content_type == _APPLY_PATCH:
            raise unsupported_media_type(
                "server-side apply (application/apply-patch+yaml) is not supported by this server; "
                "apply without --server-side"
            )
        body = await request.read()
        stored = await _finish(
            self._registry.patch(
                resource,
                info.namespace,
                info.name,
                request.content_type,
                body,
                write_options(request),
                subresource=info.subresource,
            )
        )
        return _answer_one(request, resource, stored, accepted)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE an object."""
        info, resource = info_of(request), _resource(request)
        accepted = negotiate(request.headers.get("Accept", ""), _ONE)
        delete_options = await read_delete_options(request)
        options = write_options(request, delete_options)
        result = await _finish(
            self._registry.delete(resource, info.namespace, info.name, delete_options, options)
        )
        if isinstance(result, Stored):
            return _answer_one(request, resource, result, accepted)
        return answer_object(request, result, accepted=accepted)

    async def delete_collection(self, request: web.Request) -> web.StreamResponse:
        """DELETE the objects that the selectors of the query match."""
        info, resource, query = info_of(request), _resource(request), request.query
        accepted = negotiate(request.headers.get("Accept", ""), _MANY)
        delete_options = await read_delete_options(request)
        options = write_options(request, delete_options)
        listed = await _finish(
            self._registry.delete_collection(
                resource,
                info.namespace,
                delete_options,
                options,
                label_selector=query.get("labelSelector", ""),
                field_selector=query.get("fieldSelector", ""),
            )
        )
        return answer_bytes(
            request,
            shapes.many(resource, listed, accepted, query.get("includeObject", "")),
            accepted=accepted,
        )

    async def _body(self, request: web.Request) -> Object:
        resource, subresource = _resource(request), info_of(request).subresource
        api_version, kind = _BODY_KINDS.get(subresource, (resource.group_version, resource.kind))
        return await read_object(request, api_version, kind)


def _resource(request: web.Request) -> Resource:
    resource = info_of(request).resource
    if resource is None:
        raise bad_request("the request names no resource")
    return resource


def _answer_one(
    request: web.Request, resource: Resource, stored: Stored, accepted: Accepted, *, status: int = 200
) -> web.Response:
    data = shapes.one(resource, stored, accepted, request.query.get("includeObject", ""))
    return answer_bytes(request, data, status=status, accepted=accepted)


async def _finish(write: Coroutine[Any, Any, T]) -> T:
    """Let a write run to its end even when the client goes away: half of one would be lost work."""
    return await asyncio.shield(write)
