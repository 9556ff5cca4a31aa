"""Objects that a command line names: TYPE, TYPE NAME…, TYPE/NAME…, -l, -f.

Source: k8s.io/cli-runtime pkg/resource/builder.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from podyard.kubectl import manifests
from podyard.kubectl.discovery import Resource, no_matches
from podyard.kubectl.errors import ApiError, CommandError, raise_all
from podyard.kubectl.session import Session
from podyard.kubectl.transport import JSON
from podyard.kubectl.wanted import Request, Wanted, plan


@dataclass(slots=True)
class Info:
    """One object: where it is on the server, and what is known of it."""

    resource: Resource
    namespace: str
    name: str
    object: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def path(self) -> str:
        """Its path on the server. Raises CommandError without a name: the path would be the collection's."""
        if not self.name:
            raise CommandError("resource name may not be empty")
        return self.resource.path(self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.resource.name}/{self.name}"


@dataclass(slots=True)
class Found:
    """Objects, and the errors met on the way. `single`: exactly one object was asked for."""

    infos: list[Info] = field(default_factory=list)
    errors: list[CommandError] = field(default_factory=list)
    single: bool = False

    def all(self) -> list[Info]:
        """The objects; raises when there were errors."""
        raise_all(self.errors)
        return self.infos


def find(
    session: Session, what: Wanted, *, fetch: bool = True, latest: bool = False, accept: str = JSON
) -> Found:
    """Look for the objects. Without `fetch`, objects named on the command line are not asked for.

    `latest` asks the server for objects that came from files, too. With an `accept` for Tables an
    `Info` may hold a whole Table instead of an object.
    """
    if what.filenames:
        if what.args:
            raise CommandError(
                "when paths, URLs, or stdin is provided as input, you may not specify "
                "resource arguments as well"
            )
        found = Found(single=manifests.is_single(what.filenames))
        collect(found, lambda: _from_files(session, what))
        if latest:
            found.infos = _refreshed(session, found, accept)
        return found
    requests, single = plan(session, what)
    found = Found(single=single)
    for request in requests:
        collect(found, lambda request=request: _answer(session, what, request, fetch, accept))  # type: ignore[misc]
    return found


def collect(found: Found, infos: Callable[[], Iterator[Info]]) -> None:
    """Add objects until an error comes, and the error."""
    try:
        for info in infos():
            found.infos.append(info)
    except CommandError as error:
        found.errors.append(error)


def _from_files(session: Session, what: Wanted) -> Iterator[Info]:
    for source, document in manifests.read(what.filenames, what.recursive, what.validate):
        yield info_of(session, document, source)


def info_of(session: Session, document: dict[str, Any], source: str) -> Info:
    """Where an object from a file belongs. Raises when the server does not know its kind."""
    metadata = document.setdefault("metadata", {})
    if metadata is None:
        metadata = document["metadata"] = {}
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    api_version, kind = str(document["apiVersion"]), str(document["kind"])
    resource = session.discovery.of_kind(api_version, kind)
    if resource is None:
        raise no_matches(api_version, kind, name, namespace, source)
    if not resource.namespaced:
        return Info(resource, "", name, document, source)
    if namespace and session.enforce_namespace and namespace != session.namespace:
        raise CommandError(
            f'the namespace from the provided object "{namespace}" does not match the namespace '
            f"\"{session.namespace}\". You must pass '--namespace={namespace}' to perform this operation."
        )
    namespace = namespace or session.namespace
    metadata["namespace"] = namespace
    return Info(resource, namespace, name, document, source)


def _refreshed(session: Session, found: Found, accept: str) -> list[Info]:
    fresh = []
    for info in found.infos:
        try:
            info.object = session.transport.json("GET", info.path, accept=accept)
            fresh.append(info)
        except CommandError as error:
            found.errors.append(error)
    return fresh


def _answer(session: Session, what: Wanted, request: Request, fetch: bool, accept: str) -> Iterator[Info]:
    resource = request.resource
    if not request.name:
        for document in lists(session, request, what, accept):
            yield from _unpack(resource, request.namespace, document)
        return
    info = Info(resource, request.namespace, request.name)
    if fetch:
        path = resource.path(request.namespace, request.name, what.subresource)
        info.object = session.transport.json("GET", path, accept=accept)
    yield info


def _unpack(resource: Resource, namespace: str, document: dict[str, Any]) -> Iterator[Info]:
    if document.get("kind") == "Table":
        yield Info(resource, namespace, "", document)
        return
    kind = str(document.get("kind", "")).removesuffix("List") or resource.kind
    for item in document.get("items") or ():
        item = {"apiVersion": document.get("apiVersion"), "kind": kind, **item}
        metadata = item["metadata"]
        yield Info(resource, metadata.get("namespace", ""), metadata["name"], item)


def lists(session: Session, request: Request, what: Wanted, accept: str = JSON) -> Iterator[dict[str, Any]]:
    """A collection, chunk by chunk."""
    query = what.query()
    asked = {**query, "limit": str(what.chunk or "")}
    while True:
        path = request.resource.path(request.namespace)
        try:
            document = session.transport.json("GET", path, query=asked, accept=accept)
        except ApiError as error:
            raise _cannot_list(error, request.resource, query) from None
        yield document
        token = document.get("metadata", {}).get("continue")
        if not token:
            return
        asked = {**asked, "continue": token}


def _cannot_list(error: ApiError, resource: Resource, query: dict[str, str]) -> ApiError:
    """The error, saying what was looked for."""
    if error.reason not in ("BadRequest", "NotFound"):
        return error
    subject = f'"{resource.group}/{resource.version}, Resource={resource.plural}"'
    label, field_selector = query.get("labelSelector") or "", query.get("fieldSelector") or ""
    about = f"Unable to list {subject}"
    if label or field_selector:
        about = (
            f'Unable to find {subject} that match label selector "{label}", field selector "{field_selector}"'
        )
    return ApiError({**error.status, "message": f"{about}: {error}"})
