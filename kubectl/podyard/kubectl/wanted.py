"""What a command line says to look for, and the requests that this means: TYPE, TYPE NAME…, TYPE/NAME…, -l.

Source: k8s.io/cli-runtime pkg/resource/builder.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

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
