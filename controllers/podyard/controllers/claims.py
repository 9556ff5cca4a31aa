"""Adopting and releasing: objects that a selector gives to an owner, or no longer does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from podyard.api.errors import StatusError
from podyard.api.resources import Resource
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client
from podyard.client.informer import Informer
from podyard.controllers.meta import Object, classify, controller_reference, is_terminating


async def claim(
    client: Client,
    owner_resource: Resource,
    owner: Object,
    informer: Informer,
    objects: Iterable[Object],
    matches: Callable[[Object], bool],
) -> list[Object]:
    """The objects that belong to `owner`, after orphans that match it are adopted and others released.

    `informer` is that of the objects. Raises StatusError when the apiserver refuses.
    """
    owned, adopt, release = classify(owner, objects, matches)
    if adopt and not await _may_adopt(client, owner_resource, owner):
        adopt = []
    await asyncio.gather(*(_release(client, informer, owner, obj) for obj in release))
    adopted = await asyncio.gather(*(_adopt(client, informer, owner, obj) for obj in adopt))
    return owned + [obj for obj in adopted if obj is not None]


async def _may_adopt(client: Client, resource: Resource, owner: Object) -> bool:
    """Ask the apiserver itself: a stale copy must not adopt for an owner that is being deleted."""
    metadata = owner["metadata"]
    try:
        fresh = await client.get(resource, metadata["name"], metadata["namespace"])
    except StatusError as error:
        if error.code == 404:
            return False
        raise
    return fresh["metadata"]["uid"] == metadata["uid"] and not is_terminating(fresh)


async def _adopt(client: Client, informer: Informer, owner: Object, obj: Object) -> Object | None:
    references = [controller_reference(owner)]
    return await _patch_references(client, informer, obj, references)


async def _release(client: Client, informer: Informer, owner: Object, obj: Object) -> Object | None:
    references = [{"$patch": "delete", "uid": owner["metadata"]["uid"]}]
    return await _patch_references(client, informer, obj, references)


async def _patch_references(
    client: Client, informer: Informer, obj: Object, references: list[Object]
) -> Object | None:
    """Change owner references of the very object that `obj` is; None when it has gone meanwhile."""
    metadata = obj["metadata"]
    patch = {"metadata": {"uid": metadata["uid"], "ownerReferences": references}}
    try:
        written = await client.patch(
            informer.resource,
            metadata["name"],
            metadata["namespace"],
            patch,
            content_type=STRATEGIC_MERGE_PATCH,
        )
    except StatusError as error:
        if error.code in (404, 409, 422):  # gone, or another of the same name
            return None
        raise
    await informer.saw(written)
    return written
