"""What a request asks for, read from its method and path alone.

The rules are those of Kubernetes' RequestInfoFactory (k8s.io/apiserver/pkg/endpoints/request).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from podyard.api import resources
from podyard.api.errors import StatusError, method_not_allowed, status_error
from podyard.api.resources import NAMESPACES, Resource

_NAMED_VERBS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
_READ_WRITE = frozenset(("get", "update", "patch"))
_CONNECT = frozenset(("get", "create"))

SUBRESOURCE_VERBS: dict[str, frozenset[str]] = {
    "status": _READ_WRITE,
    "scale": _READ_WRITE,
    "approval": _READ_WRITE,
    "ephemeralcontainers": _READ_WRITE,
    "resize": _READ_WRITE,
    "finalize": frozenset(("update",)),
    "binding": frozenset(("create",)),
    "eviction": frozenset(("create",)),
    "token": frozenset(("create",)),
    "log": frozenset(("get",)),
    "exec": _CONNECT,
    "attach": _CONNECT,
    "portforward": _CONNECT,
    "proxy": frozenset(("get", "create", "update", "patch", "delete")),
}
"""The verbs of every sub-resource."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request: a verb on a resource, or a method on another path (`resource` is None).

    `rest` is what follows the sub-resource in the path, for `proxy`.
    """

    verb: str
    path: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def no_such_resource() -> StatusError:
    """404 for a path that serves nothing."""
    return status_error(404, "NotFound", "the server could not find the requested resource")


@lru_cache(maxsize=4096)
def resolve(method: str, path: str) -> RequestInfo:
    """Read a request. Raises StatusError 404 for an unknown resource, 405 for a verb it lacks.

    A watch is a "list" or a "get" here: only the query tells it apart.
    """
    group, version, parts = _split(path)
    if not parts:
        return RequestInfo(method.lower(), path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in NAMESPACES.subresources:
        namespace, parts = parts[1], parts[2:]
    resource = resources.find(group, version, parts[0])
    if resource is None or (namespace and not resource.namespaced):
        raise no_such_resource()
    if len(parts) > 1 and resource.namespaced and not namespace:
        raise no_such_resource()
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise no_such_resource()
    if len(parts) > 3 and subresource != "proxy":
        raise no_such_resource()
    verb = _verb(method, resource, namespace, name, subresource)
    return RequestInfo(verb, path, resource, namespace, name, subresource, "/".join(parts[3:]))


def _split(path: str) -> tuple[str, str, list[str]]:
    """Group, version and the parts after them; no parts when it is not a resource's path."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 3:
        return parts[1], parts[2], parts[3:]
    return "", "", []


def _verb(method: str, resource: Resource, namespace: str, name: str, subresource: str) -> str:
    if subresource:
        verb = {**_NAMED_VERBS, "POST": "create"}.get(method, "")
        allowed = verb in SUBRESOURCE_VERBS[subresource] or (subresource, method) == ("proxy", "OPTIONS")
    elif name:
        verb = _NAMED_VERBS.get(method, "")
        allowed = verb in resource.verbs
    else:
        verb = _COLLECTION_VERBS.get(method, "")
        allowed = verb in resource.verbs
        if verb in ("create", "deletecollection") and resource.namespaced and not namespace:
            allowed = False
    if not allowed:
        raise method_not_allowed(method)
    return verb
