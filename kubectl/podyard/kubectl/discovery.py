"""Which resources the server has, and which of them a word means.

Source: k8s.io/client-go restmapper and k8s.io/cli-runtime pkg/resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.transport import JSON, Transport

_AGGREGATED = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        JSON,
    )
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the server."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def group_version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """As messages name it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def name(self) -> str:
        """Its kind as output names it: "pod", "deployment.apps"."""
        return f"{self.kind.lower()}.{self.group}" if self.group else self.kind.lower()

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of a collection, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return "/".join(part for part in (f"{root}{space}/{self.plural}", name, subresource) if part)

    def answers_to(self, word: str) -> bool:
        """Whether a word without group means it."""
        return word in (self.plural, self.singular or self.kind.lower(), *self.short_names)


class Discovery:
    """The server's resources, asked for when they are first needed: core first, then all groups."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._core: list[Resource] | None = None
        self._groups: list[Resource] | None = None

    @property
    def core(self) -> list[Resource]:
        """The resources of the core group."""
        if self._core is None:
            self._core = list(_discover(self._transport, "/api"))
        return self._core

    @property
    def all(self) -> list[Resource]:
        """Every resource, in the server's order of preference."""
        if self._groups is None:
            self._groups = list(_discover(self._transport, "/apis"))
        return [*self.core, *self._groups]

    def find(self, word: str) -> Resource:
        """What TYPE[.VERSION][.GROUP] means. Raises with kubectl's message when it means nothing."""
        lowered = word.lower()
        if "." not in lowered:
            for found in self.core:
                if found.answers_to(lowered):
                    return found
            for found in self.all:
                if found.answers_to(lowered):
                    return found
            raise CommandError(f'the server doesn\'t have a resource type "{word}"')
        plural, _, rest = lowered.partition(".")
        version, _, group = rest.partition(".")
        for found in self.all:
            if found.answers_to(plural) and (found.version, found.group) == (version, group):
                return found
        for found in self.all:
            if found.answers_to(plural) and _in_group(found.group, rest):
                return found
        for found in self.core:
            if found.answers_to(plural) and rest == found.version:
                return found
        raise CommandError(f'the server doesn\'t have a resource type "{plural}"')

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object, or None when the server does not have it."""
        resources = self.all if "/" in api_version else self.core
        for found in resources:
            if found.group_version == api_version and found.kind == kind:
                return found
        return None

    def category(self, word: str) -> list[Resource]:
        """The resources of a category such as `all`; empty when it is none."""
        return [found for found in self.all if word in found.categories]

    def has_category(self, word: str) -> bool:
        """Whether a word is a category and no resource."""
        return not any(found.answers_to(word) for found in self.core) and bool(self.category(word))


def _in_group(group: str, prefix: str) -> bool:
    """Whether a group is meant: `apps`, or the beginning of a longer name up to a dot."""
    return group == prefix or group.startswith(prefix)


def _discover(transport: Transport, path: str) -> Iterator[Resource]:
    document = transport.json("GET", path, accept=_AGGREGATED)
    if document.get("kind") == "APIGroupDiscoveryList":
        yield from _aggregated(document)
    else:
        yield from _one_by_one(transport, path, document)


def _aggregated(document: dict[str, Any]) -> Iterator[Resource]:
    for group in document.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            for entry in version.get("resources") or ():
                kind = entry.get("responseKind") or {}
                yield Resource(
                    name,
                    version["version"],
                    entry["resource"],
                    kind.get("kind", ""),
                    entry.get("singularResource", ""),
                    entry.get("scope") == "Namespaced",
                    tuple(entry.get("shortNames") or ()),
                    tuple(entry.get("categories") or ()),
                    tuple(entry.get("verbs") or ()),
                    tuple(sub["subresource"] for sub in entry.get("subresources") or ()),
                )


def _one_by_one(transport: Transport, path: str, document: dict[str, Any]) -> Iterator[Resource]:
    """Discovery of servers before Kubernetes 1.26: a request for each group and version."""
    if path == "/api":
        versions = list(document.get("versions") or ())
    else:
        versions = [v["groupVersion"] for g in document.get("groups") or () for v in g["versions"]]
    for group_version in versions:
        try:
            listed = transport.json("GET", f"{path}/{group_version}")
        except ApiError:
            continue  # an extension whose server is away
        yield from _legacy(group_version, listed.get("resources") or ())


def _legacy(group_version: str, entries: Iterable[dict[str, Any]]) -> Iterator[Resource]:
    group, _, version = group_version.rpartition("/")
    subs: dict[str, list[str]] = {}
    for entry in entries:
        parent, _, sub = entry["name"].partition("/")
        if sub:
            subs.setdefault(parent, []).append(sub)
    for entry in entries:
        if "/" not in entry["name"]:
            yield Resource(
                group,
                version,
                entry["name"],
                entry["kind"],
                entry.get("singularName", ""),
                bool(entry.get("namespaced")),
                tuple(entry.get("shortNames") or ()),
                tuple(entry.get("categories") or ()),
                tuple(entry.get("verbs") or ()),
                tuple(subs.get(entry["name"], ())),
            )


def no_matches(api_version: str, kind: str, name: str, namespace: str, source: str) -> CommandError:
    """The error for an object of a kind that the server does not have."""
    return CommandError(
        f'resource mapping not found for name: "{name}" namespace: "{namespace}" from "{source}": '
        f'no matches for kind "{kind}" in version "{api_version}"\nensure CRDs are installed first'
    )
