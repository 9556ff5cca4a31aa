"""The one way in which objects are created and changed."""

from __future__ import annotations

from collections.abc import Callable

from podyard.api.errors import FieldError, already_exists, conflict, invalid, not_found
from podyard.api.resources import Resource
from podyard.api.validation import validate_create, validate_update
from podyard.apiserver.admission import Request
from podyard.apiserver.admission.plugins import admit
from podyard.apiserver.registry import Object, Stored, WriteOptions, metadata
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.strategies import Context, Ranges, Strategy
from podyard.apiserver.registry.strategies.table import STRATEGIES
from podyard.apiserver.storage import Conflict
from podyard.process.clock import Clock

NAME_ATTEMPTS = 8
"""How many generated names are tried before the caller is told that they are all taken."""

Prepare = Callable[[Object, Object, Context], None]
"""(new, old, context): what a sub-resource may change."""


class Writer:
    """Resources are the stored ones; objects come decoded, with defaults, and become the writer's."""

    def __init__(self, store: Store, ranges: Ranges, clock: Clock) -> None:
        self._store = store
        self._ranges = ranges
        self._clock = clock

    def context(self, options: WriteOptions) -> Context:
        """What strategies are given."""
        return Context(self._store, self._store.holders, self._ranges, options.user, self._clock.now())

    async def create(self, resource: Resource, namespace: str, obj: Object, options: WriteOptions) -> Stored:
        """Create an object; a generated name that is taken is made anew."""
        context = self.context(options)
        metadata.begin(resource, namespace, obj, context.now)
        own = obj["metadata"]
        generated = bool(own.get("generateName")) and own.get("name", "").startswith(own["generateName"])
        for attempt in range(NAME_ATTEMPTS):
            name = own.get("name", "")
            try:
                return await self._create(resource, namespace, obj, context, options)
            except Conflict:
                if not generated or attempt == NAME_ATTEMPTS - 1:
                    raise already_exists(resource, name) from None
                own["name"] = ""
                metadata.name(own)
        raise AssertionError("unreachable")

    async def _create(
        self, resource: Resource, namespace: str, obj: Object, context: Context, options: WriteOptions
    ) -> Stored:
        strategy = STRATEGIES[resource.group_resource]
        name = obj["metadata"].get("name", "")
        admit(Request("CREATE", resource, namespace, name, obj, None, context.user, context.objects))
        strategy.prepare_create(obj, context)
        if strategy.has_generation:
            obj["metadata"]["generation"] = 1
        errors = strategy.allocate(obj, None, context) or validate_create(resource, obj)
        if errors:
            raise invalid(resource, name, errors)
        if self._store.entry(resource, obj["metadata"].get("namespace", ""), name):
            raise Conflict(name, 1)
        # Nothing was awaited since `allocate`: what it took is still free, and is held from here on.
        return await self._store.put(resource, obj, 0, dry_run=options.dry_run)

    async def modify(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions,
        *,
        subresource: str = "",
        prepare: Prepare | None = None,
        validate: bool = True,
    ) -> Stored:
        """Replace an object by what `change` makes of a copy of it.

        `change` runs again when somebody else was faster, until it refuses. `prepare` limits what
        may change, `subresource` is the one it belongs to; without it the strategy does.
        """
        strategy = STRATEGIES[resource.group_resource]
        prepare = prepare or strategy.prepare_update
        context = self.context(options)
        while True:
            entry = self._store.entry(resource, namespace, name)
            if entry is None:
                raise not_found(resource, name)
            old = entry.stored.decode()
            new = change(entry.stored.decode())
            check_versions(resource, new, old)
            try:
                return await self._replace(
                    resource, subresource, prepare, new, old, context, options, validate=validate
                )
            except Conflict:
                continue

    async def _replace(
        self,
        resource: Resource,
        subresource: str,
        prepare: Prepare,
        new: Object,
        old: Object,
        context: Context,
        options: WriteOptions,
        *,
        validate: bool,
    ) -> Stored:
        strategy = STRATEGIES[resource.group_resource]
        metadata.carry_over(resource, new, old)
        prepare(new, old, context)
        if strategy.has_generation and metadata.desired_state_changed(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        namespace, name = old["metadata"].get("namespace", ""), old["metadata"]["name"]
        user, objects = context.user, context.objects
        admit(Request("UPDATE", resource, namespace, name, new, old, user, objects, subresource))
        errors: list[FieldError] = []
        if validate:
            errors = strategy.allocate(new, old, context) or validate_update(resource, new, old)
        if errors:
            raise invalid(resource, name, errors)
        version = int(old["metadata"]["resourceVersion"])
        if is_released(strategy, new):
            return await self._store.remove(resource, new, version, dry_run=options.dry_run)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        entry = self._store.entry(resource, namespace, name)
        if new == old and entry and entry.stored.resource_version == version:
            return entry.stored
        return await self._store.put(resource, new, version, dry_run=options.dry_run)


def check_versions(resource: Resource, new: Object, old: Object) -> None:
    """409 when the caller's object is of another version than the stored one, or of another uid."""
    given, current = new.get("metadata") or {}, old["metadata"]
    name = current["name"]
    if given.get("uid") and given["uid"] != current["uid"]:
        raise conflict(
            resource,
            name,
            f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {current['uid']}",
        )
    if given.get("resourceVersion") not in (None, "", "0", current["resourceVersion"]):
        raise conflict(resource, name)


def is_released(strategy: Strategy, obj: Object) -> bool:
    """Whether an object that is being deleted has lost the last thing that kept it."""
    own = obj["metadata"]
    return (
        "deletionTimestamp" in own
        and not own.get("deletionGracePeriodSeconds")
        and not own.get("finalizers")
        and not strategy.holds(obj)
    )
