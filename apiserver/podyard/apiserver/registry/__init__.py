"""The registry: the one way to read and write objects, behind REST and gRPC alike.

Contract, for the adapters that call it:

- An object comes in as decoded JSON and goes out as `Stored`: its encoded JSON, whole, with
  `apiVersion`, `kind` and `metadata.resourceVersion`. The bytes are encoded once; a list joins
  them and every watcher is given the same bytes object.
- Every refusal is a `podyard.api.errors.StatusError` with Kubernetes' reason, code and message.
- A write goes type check → defaults → admission → strategy → validation → storage, and is on
  disk when the call returns. A read sees every write that has returned.
- `namespace` is "" for cluster-scoped resources, and in `list` and `watch` for all namespaces.
- `resource` is the served one; where it `converts_to` another version, the registry converts.
- The registry serves stored resources, and of the others `bindings`. Reviews
  (SubjectAccessReview, TokenReview, ...) are answered by the adapter that knows the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

from podyard.api.resources import Resource

Object = dict[str, Any]
"""A Kubernetes object as decoded JSON."""

FieldValidation = Literal["Strict", "Warn", "Ignore"]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as authentication found out."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object at one revision. `data` is its encoded JSON as it is sent."""

    namespace: str
    name: str
    resource_version: int
    data: bytes

    def decode(self) -> Object:
        """A fresh decoded copy, the caller's own."""
        obj: Object = orjson.loads(self.data)
        return obj


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects of a list, in order of namespace and name, as they were at `resource_version`.

    `continue_token` is not empty when `limit` left some out; `remaining` is then how many, or
    None when a selector makes that unknown.
    """

    items: list[Stored]
    resource_version: int
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One change. `type` is ADDED, MODIFIED, DELETED or BOOKMARK; `data` is the object's JSON."""

    type: str
    resource_version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write, and for whom. The registry appends to `warnings` what the user should be told."""

    user: User
    dry_run: bool = False
    field_validation: FieldValidation = "Strict"
    warnings: list[str] = field(default_factory=list)


class Watch(Protocol):
    """An async iterator of events. It ends at its timeout, or when its reader is too slow.

    Call `aclose` when done (`contextlib.aclosing`).
    """

    def __aiter__(self) -> Watch: ...

    async def __anext__(self) -> Event: ...

    async def aclose(self) -> None:
        """Stop following; a waiting `__anext__` ends."""


class Registry(Protocol):
    """Reads and writes of every resource."""

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Stored:
        """Read one object. `subresource` is "", "status" (the object itself) or "scale"."""

    async def list(
        self,
        resource: Resource,
        namespace: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
    ) -> Listed:
        """Read the objects of a namespace, or of all when it is empty.

        410 Expired when `continue_token` or an exact `resource_version` is too old.
        """

    def watch(
        self,
        resource: Resource,
        namespace: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        send_initial_events: bool = False,
        timeout_seconds: float | None = None,
    ) -> Watch:
        """Follow changes after `resource_version`; "" and "0" begin with ADDED for what is there.

        Raises at once: 410 Expired when that version is too old, 400 for a bad selector or version.
        With `send_initial_events` the current state comes first, then a BOOKMARK annotated
        `k8s.io/initial-events-end: "true"`.
        """

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Object,
        options: WriteOptions,
        *,
        name: str = "",
        subresource: str = "",
    ) -> Stored:
        """Create an object, or post to the sub-resource of the object `name`: binding, eviction, token."""

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        obj: Object,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[Stored, bool]:
        """Replace an object, or its status, scale, finalize or approval. True when it was created."""

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        content_type: str,
        patch: bytes,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> Stored:
        """Change parts of an object; 415 for a content type that is none of the three patches."""

    async def delete(
        self, resource: Resource, namespace: str, name: str, delete_options: Object, options: WriteOptions
    ) -> Stored | Object:
        """Delete an object: gives the object while it is still terminating, else a Success `Status`.

        Pods and some other kinds give the deleted object, as kube-apiserver does.
        """

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        delete_options: Object,
        options: WriteOptions,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Listed:
        """Delete what the selectors match, each as `delete` does; gives the objects as they were."""
