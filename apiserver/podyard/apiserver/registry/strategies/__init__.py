"""Strategies: what each kind does at a write beyond what every kind does.

A strategy fills in what only the server knows and keeps a caller from changing what is not
theirs: first `prepare_*`, then `allocate`, both before validation. All change `new` in place. A kind
without a module of its own has the base strategy. Source: kubernetes/pkg/registry/*/*/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Protocol

from podyard.api.errors import FieldError
from podyard.apiserver.registry import Object, User


class Objects(Protocol):
    """What strategies and admission may look at: the objects as they are now."""

    def lookup(self, group_resource: str, namespace: str, name: str) -> Object | None:
        """One object, decoded."""

    def objects(self, group_resource: str, namespace: str = "") -> Iterator[Object]:
        """All objects of a resource, decoded."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where Services get their addresses and ports. `reserved` are given only to who asks by number."""

    service_cidr: IPv4Network
    node_ports: range
    reserved: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Context:
    """What a write happens in. `now` is seconds since the epoch.

    `holders(group_resource, value)` is the (namespace, name) of those that have an address or a port.
    """

    objects: Objects
    holders: Callable[[str, str], set[tuple[str, str]]]
    ranges: Ranges
    user: User
    now: float


class Strategy:
    """The base: spec and status belong to their own end points, and a change of spec counts.

    `has_status`: the kind has a status sub-resource. `has_generation`: `metadata.generation`
    counts changes of everything but metadata and status. `create_on_update`: a PUT of an absent
    object creates it. `needs_version`: a PUT must name the resourceVersion. `returns_deleted`: a
    DELETE answers with the object instead of a Status.
    """

    def __init__(
        self,
        *,
        has_status: bool = False,
        has_generation: bool = False,
        create_on_update: bool = False,
        needs_version: bool = False,
        returns_deleted: bool = False,
    ) -> None:
        self.has_status = has_status
        self.has_generation = has_generation
        self.create_on_update = create_on_update
        self.needs_version = needs_version
        self.returns_deleted = returns_deleted

    def prepare_create(self, new: Object, context: Context) -> None:
        """Before a new object is validated."""
        if self.has_status:
            new["status"] = {}

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """Before a changed object is validated."""
        if self.has_status:
            keep(new, old, "status")

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """Before a status is validated: all but status and metadata stays as it was."""
        for key in {*new, *old} - {"apiVersion", "kind", "metadata", "status"}:
            keep(new, old, key)
        keep(new["metadata"], old["metadata"], "ownerReferences")

    def allocate(self, new: Object, old: Object | None, context: Context) -> list[FieldError]:
        """Take what belongs to one object alone, before validation."""
        return []

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Seconds that a delete leaves the object, or None for a kind without graceful deletion."""
        return None

    def deletion_begins(self, obj: Object) -> None:
        """The object has got its deletionTimestamp."""

    def holds(self, obj: Object) -> bool:
        """Whether something besides metadata.finalizers keeps a deleted object."""
        return False


def keep(new: Object, old: Object, key: str) -> None:
    """Put back what the caller may not change."""
    if key in old:
        new[key] = old[key]
    else:
        new.pop(key, None)
