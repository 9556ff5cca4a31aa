"""Objects that a command line names: TYPE, TYPE NAME…, TYPE/NAME…, -l, -f.

Source: k8s.io/cli-runtime pkg/resource/builder.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from podyard.kubectl import manifests
from podyard.kubectl.discovery import Resource, no_matches
from podyard.kubectl.errors import ApiError, CommandError, raise_all
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.transport import JSON

_MISSING = (
    "You must provide one or more resources by argument or filename.\n"
    "Example resource specifications include:\n"
    "   '-f rsrc.yaml'\n"
    "   '--filename=rsrc.json'\n"
    "   '<resource> <name>'\n"
    "   '<resource>'"
)

FILE_FLAGS = (
    Flag(
        "filename",
        "Filename or directory to files that contain the configuration; - is standard input.",
        short="f",
        kind="strings",
    ),
    Flag(
        "recursive",
        "Process the directory used in -f, --filename recursively.",
        short="R",
        kind="bool",
    ),
    Flag(
        "kustomize", "Not supported: use 'kustomize build DIR', and -f - to read what it writes.", short="k"
    ),
)
CHUNK_SIZE_FLAG = Flag(
    "chunk-size",
    "Return large lists in chunks rather than all at once. Pass 0 to disable.",
    kind="int",
    default=500,
)
SELECTOR_FLAG = Flag(
    "selector",
    "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'.",
    short="l",
)
FIELD_SELECTOR_FLAG = Flag(
    "field-selector", "Selector (field query) to filter on, supports '=', '==', and '!='."
)
ALL_NAMESPACES_FLAG = Flag(
    "all-namespaces",
    "If present, list the requested object(s) across all namespaces.",
    short="A",
    kind="bool",
)


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


@dataclass(frozen=True, slots=True)
class Request:
    """One request: an object by name, or a collection when `name` is empty."""

    resource: Resource
    namespace: str
    name: str = ""


@dataclass(slots=True)
class Wanted:
    """What to look for. `everything`: TYPE alone means all objects of the type."""

    args: Sequence[str]
    filenames: Sequence[str] = ()
    recursive: bool = False
    selector: str = ""
    field_selector: str = ""
    all_namespaces: bool = False
    everything: bool = False
    subresource: str = ""
    default_type: str = ""
    whole_objects: bool = False
    validate: bool = False
    chunk: int = 500

    def query(self) -> dict[str, str]:
        """The query of a request for a collection. `whole_objects`: rows of tables have them."""
        include = {"includeObject": "Object"} if self.whole_objects else {}
        return {"labelSelector": self.selector, "fieldSelector": self.field_selector, **include}


def wanted(session: Session, *, everything: bool = False) -> Wanted:
    """What the flags and arguments of a command say, as far as it has these flags."""
    values = session.flags.values
    if values.get("kustomize"):
        raise CommandError(
            f"-k {values['kustomize']}: kustomizations are not supported; build it with "
            f"'kustomize build {values['kustomize']}' and pass the result to -f -"
        )
    return Wanted(
        session.args,
        values.get("filename") or (),
        values.get("recursive") or False,
        values.get("selector") or "",
        values.get("field-selector") or "",
        values.get("all-namespaces") or False,
        everything or bool(values.get("all")),
        values.get("subresource") or "",
        chunk=values.get("chunk-size", 500),
        validate="validate" in values and str(values["validate"]).lower() not in ("false", "ignore"),
    )


def plan(session: Session, what: Wanted) -> tuple[list[Request], bool]:
    """The requests that arguments mean, and whether they mean a single object."""
    args = _each_type_with_each_name(what.args)
    if args and any("/" in arg for arg in args):
        return _by_tuple(session, what, args), len(args) == 1
    if not args:
        raise CommandError(_MISSING)
    names = list(args[1:])
    types = [args[0]]
    if not names and what.default_type:
        types, names = [what.default_type], [args[0]]
    resources = _resources(session, types[0])
    selecting = bool(what.selector or what.field_selector)
    if names and selecting:
        raise CommandError("name cannot be provided when a selector is specified")
    if names:
        if len(resources) > 1 and what.default_type:
            raise CommandError("you may only specify a single resource type")
        requests = [_named(session, what, resource, name) for resource in resources for name in names]
        return requests, len(requests) == 1
    if not selecting and not what.everything:
        raise CommandError("resource(s) were provided, but no name was specified")
    if what.subresource:
        raise CommandError("subresource cannot be used when bulk resources are specified")
    return [Request(one, _namespace(session, what, one)) for one in resources], False


def _each_type_with_each_name(args: Sequence[str]) -> list[str]:
    """`a,b x y` as `a/x a/y b/x b/y`."""
    types = args[0].split(",") if len(args) > 1 else []
    if len(types) > 1:
        return [f"{one}/{name}" for one in types for name in args[1:]]
    return list(args)


def _by_tuple(session: Session, what: Wanted, args: list[str]) -> list[Request]:
    if not all("/" in arg for arg in args):
        raise CommandError(
            "there is no need to specify a resource type as a separate argument when passing arguments in "
            "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get "
            "resource resource/<resource_name>'"
        )
    if what.selector or what.field_selector:
        raise CommandError("selectors and the all flag cannot be used when passing resource/name arguments")
    requests = []
    for arg in args:
        kind, _, name = arg.partition("/")
        if "/" in name:
            raise CommandError("arguments in resource/name form may not have more than one slash")
        if not kind or not name or "," in kind:
            raise CommandError("arguments in resource/name form must have a single resource and name")
        requests.append(_named(session, what, session.discovery.find(kind), name))
    return requests


def _named(session: Session, what: Wanted, resource: Resource, name: str) -> Request:
    if what.all_namespaces and resource.namespaced:
        raise CommandError("a resource cannot be retrieved by name across all namespaces")
    return Request(resource, session.namespace if resource.namespaced else "", name)


def _namespace(session: Session, what: Wanted, resource: Resource) -> str:
    return session.namespace if resource.namespaced and not what.all_namespaces else ""


def _resources(session: Session, text: str) -> list[Resource]:
    """The resources of a comma list; a category stands for its members."""
    found: dict[Resource, None] = {}
    for word in text.split(","):
        members = session.discovery.category(word) if session.discovery.has_category(word) else []
        for resource in members or [session.discovery.find(word)]:
            found[resource] = None
    return list(found)


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
