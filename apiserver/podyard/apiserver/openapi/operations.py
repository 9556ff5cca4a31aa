"""Which paths and operations there are, apart from how OpenAPI 2 and 3 write them down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from podyard.api.resources import Resource
from podyard.apiserver.discovery import subresource_kind
from podyard.apiserver.requestinfo import SUBRESOURCE_VERBS

LIST_OPTIONS = {
    "allowWatchBookmarks": ("boolean", "Ask for BOOKMARK events in a watch."),
    "continue": ("string", "Go on with the list that gave this token."),
    "fieldSelector": ("string", "Keep the objects whose fields match."),
    "labelSelector": ("string", "Keep the objects whose labels match."),
    "limit": ("integer", "At most this many objects; `metadata.continue` then gives the rest."),
    "resourceVersion": ("string", "Which version of the state to read, or to watch from."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with what is there."),
    "timeoutSeconds": ("integer", "How long a watch lasts."),
    "watch": ("boolean", "Follow changes instead of listing."),
}
WRITE_OPTIONS = {
    "dryRun": ("string", 'With "All", do everything but keep the result.'),
    "fieldManager": ("string", "Who makes the change."),
    "fieldValidation": ("string", "What to do about unknown fields: Ignore, Warn or Strict."),
}
DELETE_OPTIONS = {
    "dryRun": ("string", 'With "All", do everything but keep the result.'),
    "gracePeriodSeconds": ("integer", "How long the object may take to end."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "propagationPolicy": ("string", "What happens to dependents: Orphan, Background or Foreground."),
}
PATH_PARAMETERS = {
    "namespace": "object name and auth scope, such as for teams and projects",
    "name": "name of the object",
}
_READS = {"list", "get"}
_METHODS = {
    "list": "get",
    "get": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS = {
    "list": "list",
    "get": "read",
    "create": "create",
    "update": "replace",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_CONNECTING = frozenset(("exec", "attach", "portforward", "proxy"))

Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer` are kinds; "List" is appended to a list's answer."""

    path: str
    method: str
    verb: str
    operation_id: str
    kind: Kind
    body: Kind | None
    answer: Kind

    @property
    def query(self) -> dict[str, tuple[str, str]]:
        """The parameters of the query: name to type and description."""
        if self.verb == "list":
            return LIST_OPTIONS
        if self.verb == "deletecollection":
            return {**LIST_OPTIONS, **DELETE_OPTIONS}
        if self.verb == "delete":
            return DELETE_OPTIONS
        return {} if self.verb == "get" or self.verb.startswith("connect") else WRITE_OPTIONS


def operations_of(resource: Resource) -> Iterator[Operation]:
    """Every operation on a resource and its sub-resources."""
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    collection = f"{base}/{resource.plural}"
    if resource.namespaced and "list" in resource.verbs:
        yield _operation(resource, collection, "list", suffix="ForAllNamespaces", namespaced=False)
    if resource.namespaced:
        collection = f"{base}/namespaces/{{namespace}}/{resource.plural}"
    for verb in ("list", "create", "deletecollection"):
        if verb in resource.verbs:
            yield _operation(resource, collection, verb)
    item = f"{collection}/{{name}}"
    for verb in ("get", "update", "patch", "delete"):
        if verb in resource.verbs:
            yield _operation(resource, item, verb)
    for subresource in resource.subresources:
        for verb in sorted(SUBRESOURCE_VERBS[subresource]):
            yield _operation(resource, f"{item}/{subresource}", verb, subresource=subresource)


def _operation(
    resource: Resource,
    path: str,
    verb: str,
    *,
    subresource: str = "",
    suffix: str = "",
    namespaced: bool | None = None,
) -> Operation:
    kind = subresource_kind(resource, subresource)
    connecting = subresource in _CONNECTING
    body: Kind | None = None
    if verb in ("delete", "deletecollection"):
        body = ("", "v1", "DeleteOptions")
    elif verb not in _READS and not connecting:
        body = kind
    scope = "Namespaced" if (resource.namespaced if namespaced is None else namespaced) else ""
    collection = "Collection" if verb == "deletecollection" else ""
    action = f"connect{_METHODS[verb].title()}" if connecting else _ACTIONS[verb]
    group = "".join(part.capitalize() for part in _short(resource.group).split("."))
    version = resource.version.capitalize()
    name = f"{action}{group}{version}{collection}{scope}{resource.kind}{subresource.capitalize()}{suffix}"
    answer = (*kind[:2], f"{kind[2]}List") if verb == "list" else kind
    if verb in ("delete", "deletecollection"):
        answer = ("", "v1", "Status")
    return Operation(path, _METHODS[verb], "connect" if connecting else verb, name, kind, body, answer)


def _short(group: str) -> str:
    return group.removesuffix(".k8s.io") if group else "core"
