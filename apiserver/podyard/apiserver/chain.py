"""The links of the handler chain. `app.make_app` puts them in order."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import Counter, Histogram

from podyard.api.errors import StatusError, bad_request, internal_error, status_error, unauthorized
from podyard.apiserver.answers import answer_status, warning_header
from podyard.apiserver.authn import Authenticator, authenticate
from podyard.apiserver.authorization.roles import ANONYMOUS
from podyard.apiserver.authz import Attributes, Authorizer, require, selected_fields
from podyard.apiserver.bodies import MAX_BODY_BYTES, boolean
from podyard.apiserver.context import info_of, known_info, set_info, set_user, user_of, warnings_of
from podyard.apiserver.registry import User
from podyard.apiserver.requestinfo import RequestInfo, no_such_resource, resolve
from podyard.apiserver.standing_warnings import standing_warnings
from podyard.apiserver.tokens.claims import AUTHENTICATED, groups_of_user

log = logging.getLogger(__name__)

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC_PATHS = frozenset(
    (
        "/healthz",
        "/livez",
        "/readyz",
        "/version",
        "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    )
)
"""Read by anybody: what a supervisor, or a host that is to join, must see before it has a certificate."""

NOBODY = User(ANONYMOUS, ("system:unauthenticated",))

_requests = Counter(
    "apiserver_request_total", "Requests answered.", ("verb", "group", "resource", "subresource", "code")
)
_seconds = Histogram(
    "apiserver_request_duration_seconds", "Time to answer, watches excepted.", ("verb", "group", "resource")
)


@web.middleware
async def observe(request: web.Request, handler: Next) -> web.StreamResponse:
    """Name the request (Audit-Id), count it and measure it."""
    start = time.perf_counter()
    audit_id = request.headers.get("Audit-ID") or str(uuid.uuid4())
    response = await handler(request)
    if not response.prepared:
        response.headers["Audit-Id"] = audit_id
    info = known_info(request)
    resource = info.resource if info else None
    names = (resource.group, resource.plural) if resource else ("", "")
    verb, subresource = (info.verb, info.subresource) if info else (request.method.lower(), "")
    _requests.labels(verb, *names, subresource, str(response.status)).inc()
    seconds = time.perf_counter() - start
    if response.body_length >= 0 and not getattr(response, "chunked", False):
        _seconds.labels(verb, *names).observe(seconds)
    log.debug("%s %s %d %.1f ms", request.method, request.path_qs, response.status, seconds * 1000)
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Next) -> web.StreamResponse:
    """Turn every refusal into a Status, and a fault of ours into a 500 that tells the log alone why."""
    try:
        return await handler(request)
    except StatusError as error:
        response = answer_status(request, error)
    except web.HTTPRequestEntityTooLarge:
        why = f"Request entity too large: limit is {MAX_BODY_BYTES}"
        response = answer_status(request, status_error(413, "RequestEntityTooLarge", why))
    except web.HTTPException:
        raise  # a redirection
    except ConnectionResetError as error:
        raise asyncio.CancelledError from error  # the client is gone; there is nobody to answer
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        response = answer_status(request, internal_error("see the log of the apiserver"))
    for text in dict.fromkeys(warnings_of(request)):
        response.headers.add("Warning", warning_header(text))
    return response


def authentication(authenticators: Sequence[Authenticator]) -> Middleware:
    """Find out who asks; nobody is refused with 401."""

    @web.middleware
    async def link(request: web.Request, handler: Next) -> web.StreamResponse:
        user = authenticate(authenticators, request)
        if user is None:
            if request.method not in ("GET", "HEAD") or request.path.rstrip("/") not in PUBLIC_PATHS:
                raise unauthorized()
            user = NOBODY
        set_user(request, user)
        return await handler(request)

    return link


def impersonation(authorizer: Authorizer) -> Middleware:
    """Act as the user of the headers Impersonate-User and Impersonate-Group, where that is allowed."""

    @web.middleware
    async def link(request: web.Request, handler: Next) -> web.StreamResponse:
        name = request.headers.get("Impersonate-User", "")
        groups = request.headers.getall("Impersonate-Group", [])
        if name or groups:
            user = user_of(request)
            if not name:
                raise bad_request("requested groups without impersonating a user")
            for resource, value in (("users", name), *(("groups", group) for group in groups)):
                require(authorizer, Attributes(user, "impersonate", resource=resource, name=value))
            set_user(request, User(name, (*(groups or groups_of_user(name)), AUTHENTICATED)))
        return await handler(request)

    return link


@web.middleware
async def request_info(request: web.Request, handler: Next) -> web.StreamResponse:
    """Find out what is asked."""
    info = resolve(request.method, request.path)
    if "//" in request.path and info.subresource != "proxy":
        raise no_such_resource()
    set_info(request, info)
    return await handler(request)


def authorization(authorizer: Authorizer) -> Middleware:
    """Let the authorizer decide."""

    @web.middleware
    async def link(request: web.Request, handler: Next) -> web.StreamResponse:
        require(authorizer, attributes_of(user_of(request), info_of(request), request.query))
        return await handler(request)

    return link


def attributes_of(user: User, info: RequestInfo, query: Mapping[str, str]) -> Attributes:
    """What is to be decided about a request. One that selects an object by its name is for that object."""
    if info.resource is None:
        return Attributes(user, info.verb, path=info.path)
    verb, name = info.verb, info.name
    fields: tuple[tuple[str, str], ...] = ()
    if verb in ("list", "get") and not info.subresource and boolean(query, "watch"):
        verb = "watch"
    if verb in ("list", "watch", "deletecollection"):
        fields = selected_fields(query.get("fieldSelector", ""))
        name = name or dict(fields).get("metadata.name", "")
    return Attributes(
        user,
        verb,
        group=info.resource.group,
        version=info.resource.version,
        resource=info.resource.plural,
        subresource=info.subresource,
        namespace=info.namespace,
        name=name,
        fields=fields,
    )


@web.middleware
async def send_warnings(request: web.Request, handler: Next) -> web.StreamResponse:
    """Send the collected warnings with an answer that has not begun."""
    warnings_of(request).extend(standing_warnings(info_of(request)))
    response = await handler(request)
    if not response.prepared:
        for text in dict.fromkeys(warnings_of(request)):
            response.headers.add("Warning", warning_header(text))
    return response
