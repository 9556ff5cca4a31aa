"""The registry of every kind; see `podyard.apiserver.registry` for the contract."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace

import orjson

from podyard.api.errors import FieldError, StatusError, bad_request, invalid, method_not_allowed, not_found
from podyard.api.resources import BINDINGS, PODS, SERVICEACCOUNTS, Resource
from podyard.apiserver.cacher.selection import parse_selection
from podyard.apiserver.registry import Listed, Object, Stored, Watch, WriteOptions
from podyard.apiserver.registry.decoding import (
    ConvertedWatch,
    decode,
    decode_patched,
    serve,
    stored_as,
    to_served,
    to_stored,
)
from podyard.apiserver.registry.deletion import Deleter, success
from podyard.apiserver.registry.lists import list_entries, watch_entries
from podyard.apiserver.registry.patching import apply_patch, decode_patch
from podyard.apiserver.registry.posting import PodPosts
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.strategies import Ranges
from podyard.apiserver.registry.strategies.cluster import only_conditions
from podyard.apiserver.registry.strategies.table import STRATEGIES
from podyard.apiserver.registry.subresources import (
    SCALE,
    apply_scale,
    only_finalizers,
    to_scale,
)
from podyard.apiserver.registry.token_requests import TokenRequests
from podyard.apiserver.registry.writer import Prepare, Writer
from podyard.apiserver.tokens.authority import TokenAuthority
from podyard.process.clock import Clock

Change = Callable[[Object], Object]


class GenericRegistry:
    """Reads from the watch cache, writes through the one write path."""

    def __init__(self, store: Store, ranges: Ranges, clock: Clock, tokens: TokenAuthority) -> None:
        self._store = store
        self._tokens = TokenRequests(store, tokens, clock)
        self._writer = Writer(store, ranges, clock)
        self._deleter = Deleter(store, clock)
        self._posts = PodPosts(store, self._writer, self._deleter, clock)

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Stored:
        """Read one object, or its scale."""
        _check_subresource(resource, subresource, "get", ("status", "scale", "approval"))
        entry = self._store.entry(stored_as(resource), namespace, name)
        if entry is None:
            raise not_found(resource, name)
        return _scale_of(entry.stored) if subresource == "scale" else serve(resource, entry.stored)

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
        """Read the objects of a namespace, or of all."""
        group_resource = stored_as(resource).group_resource
        listed = list_entries(
            self._store.cacher,
            group_resource,
            parse_selection(group_resource, namespace, label_selector, field_selector),
            limit=limit,
            continue_token=continue_token,
            resource_version=resource_version,
            resource_version_match=resource_version_match,
        )
        if not resource.converts_to:
            return listed
        return replace(listed, items=[serve(resource, item) for item in listed.items])

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
        """Follow changes."""
        group_resource = stored_as(resource).group_resource
        watcher = watch_entries(
            self._store.cacher,
            resource,
            group_resource,
            parse_selection(group_resource, namespace, label_selector, field_selector),
            resource_version=resource_version,
            bookmarks=bookmarks,
            send_initial_events=send_initial_events,
            timeout_seconds=timeout_seconds,
        )
        return ConvertedWatch(resource, watcher) if resource.converts_to else watcher

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
        """Create an object, a binding, an eviction or a token."""
        if resource == BINDINGS or (resource == PODS and subresource == "binding"):
            return await self._posts.bind(namespace, name, obj, options)
        if resource == PODS and subresource == "eviction":
            return await self._posts.evict(namespace, name, obj, options)
        if resource == SERVICEACCOUNTS and subresource == "token":
            return self._tokens.create(namespace, name, obj, options)
        if subresource or not resource.stored:
            raise method_not_allowed("create")
        new = to_stored(resource, decode(resource, obj, options))
        return serve(resource, await self._writer.create(stored_as(resource), namespace, new, options))

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
        """Replace an object, or what a sub-resource has of it."""
        _check_subresource(resource, subresource, "update", _PREPARES)
        if subresource == "scale":
            scale = decode(SCALE, obj, options)
            _check_name(scale, name)
            change: Change = lambda old: apply_scale(old, scale)  # noqa: E731
            return _scale_of(await self._modify(resource, namespace, name, change, options)), False
        new = to_stored(resource, decode(resource, obj, options))
        _check_name(new, name)
        target = stored_as(resource)
        strategy = STRATEGIES[target.group_resource]
        if (
            self._store.entry(target, namespace, name) is None
            and not subresource
            and strategy.create_on_update
        ):
            new.setdefault("metadata", {})["name"] = name
            stored = await self._writer.create(target, namespace, new, options)
            return serve(resource, stored), True
        if strategy.needs_version and not (new.get("metadata") or {}).get("resourceVersion"):
            message = "Invalid value: 0: must be specified for an update"
            raise invalid(
                target, name, [FieldError("metadata.resourceVersion", "FieldValueInvalid", message)]
            )
        encoded = orjson.dumps(new)  # the write path changes what it is given, and may try again
        stored = await self._modify(
            resource, namespace, name, lambda _: orjson.loads(encoded), options, subresource
        )
        return serve(resource, stored), False

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
        """Change parts of an object, or of what a sub-resource has of it."""
        _check_subresource(resource, subresource, "patch", _PREPARES)
        decoded = decode_patch(content_type, patch)

        def patched(served: Resource, obj: Object) -> Object:
            new = decode_patched(served, apply_patch(served, obj, content_type, decoded), patch, options)
            _check_name(new, name)
            return new

        def change(old: Object) -> Object:
            if subresource == "scale":
                return apply_scale(old, patched(SCALE, to_scale(old)))
            return to_stored(resource, patched(resource, to_served(resource, old)))

        stored = await self._modify(
            resource, namespace, name, change, options, "" if subresource == "scale" else subresource
        )
        return _scale_of(stored) if subresource == "scale" else serve(resource, stored)

    async def delete(
        self, resource: Resource, namespace: str, name: str, delete_options: Object, options: WriteOptions
    ) -> Stored | Object:
        """Delete an object."""
        target = stored_as(resource)
        stored, gone = await self._deleter.delete(target, namespace, name, delete_options, options)
        if gone and not STRATEGIES[target.group_resource].returns_deleted:
            return success(resource, stored)
        return serve(resource, stored)

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
        """Delete what the selectors match; what somebody else deletes meanwhile is no error."""
        listed = await self.list(
            resource, namespace, label_selector=label_selector, field_selector=field_selector
        )
        for item in listed.items:
            try:
                await self.delete(resource, item.namespace, item.name, delete_options, options)
            except StatusError as error:
                if error.code != 404:
                    raise
        return listed

    async def _modify(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions,
        subresource: str = "",
    ) -> Stored:
        target = stored_as(resource)
        prepare = _PREPARES.get(subresource)
        if subresource == "status":
            prepare = STRATEGIES[target.group_resource].prepare_status
        return await self._writer.modify(
            target,
            namespace,
            name,
            change,
            options,
            subresource=subresource,
            prepare=prepare,
            validate=subresource in ("", "status", "approval"),
        )


_PREPARES: dict[str, Prepare | None] = {
    "": None,  # the strategy's
    "status": None,
    "scale": None,
    "finalize": only_finalizers,
    "approval": only_conditions,
}


def _scale_of(stored: Stored) -> Stored:
    return replace(stored, data=orjson.dumps(to_scale(stored.decode())))


def _check_name(obj: Object, name: str) -> None:
    own = (obj.get("metadata") or {}).get("name") or name
    if own != name:
        raise bad_request(f"the name of the object ({own}) does not match the name on the URL ({name})")


def _check_subresource(resource: Resource, subresource: str, verb: str, known: Container[str]) -> None:
    if not resource.stored:
        raise method_not_allowed(verb)
    if subresource and (subresource not in resource.subresources or subresource not in known):
        raise method_not_allowed(verb)
