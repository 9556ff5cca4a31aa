"""The garbage collector: watches every resource and does what `plan` says."""

from __future__ import annotations

import asyncio
import logging

from podyard.api.errors import StatusError
from podyard.api.resources import EVENTS, RESOURCES, Resource, find_kind
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.gc.graph import Graph, Item
from podyard.controllers.gc.plan import plan, unknown_owners
from podyard.controllers.meta import Object

WATCHED: tuple[Resource, ...] = tuple(
    r for r in RESOURCES if r.stored and r.converts_to is None and r is not EVENTS
)
"""Everything that can own or be owned; Events are not collected, as in Kubernetes."""

logger = logging.getLogger("garbage-collector")


class GarbageCollector:
    """Deletes what has no owner left, in the background, in the foreground, or not (orphans)."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._informers = informers
        self._graph = Graph()
        self._queue: WorkQueue[str] = WorkQueue()

    async def run(self) -> None:
        """Work until cancelled. Nothing is judged before every resource is known."""
        for resource in WATCHED:
            informer = self._informers.metadata(resource)
            informer.add_handler(_Watcher(resource, self._graph, self._queue).changed)
            await informer.synced()  # one after another: nobody waits for this, so nobody is held up
        await run_workers("garbage-collector", self._queue, self.sync)

    async def sync(self, uid: str) -> None:
        """Judge one object by its latest state."""
        known = self._graph.get(uid)
        if known is None:
            return
        live = await self._get(known.resource, known.namespace, known.obj["metadata"]["name"])
        if live is None or live["metadata"]["uid"] != uid:
            return
        item = Item(known.resource, live)
        unknown = unknown_owners(item, self._graph)
        absent = [ref["uid"] for ref in unknown if await self._is_absent(item, ref)]
        action = plan(item, self._graph, absent)
        await asyncio.gather(*(self._drop_references(other, [uid]) for other in action.orphan))
        if action.unblock:
            await self._unblock(item)
        if action.drop_references:
            await self._drop_references(item, action.drop_references)
        if action.delete:
            await self._delete(item, action.delete, pinned=not action.unblock)
        if action.remove_finalizer:
            await self._remove_finalizer(item, action.remove_finalizer)
        for other in action.look_at:
            self._queue.add(other)

    async def _get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(resource, name, namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    async def _is_absent(self, item: Item, reference: Object) -> bool:
        """Ask the apiserver itself whether an owner is there."""
        resource = find_kind(reference["apiVersion"], reference["kind"])
        if resource is None or (resource.namespaced and not item.namespace):
            return False  # nothing can be said of such an owner, so the object is left alone
        namespace = item.namespace if resource.namespaced else ""
        owner = await self._get(resource, namespace, reference["name"])
        return owner is None or owner["metadata"]["uid"] != reference["uid"]

    async def _delete(self, item: Item, policy: str, *, pinned: bool) -> None:
        metadata = item.obj["metadata"]
        logger.debug("deleting %s %s (%s)", item.resource.group_resource, metadata["name"], policy)
        try:
            await self._client.delete(
                item.resource,
                metadata["name"],
                item.namespace,
                uid=item.uid,
                resource_version=metadata["resourceVersion"] if pinned else "",
                propagation_policy=policy,
            )
        except StatusError as error:
            if error.code != 404:
                raise

    async def _drop_references(self, item: Item, owners: list[str]) -> None:
        await self._patch_references(item, [{"$patch": "delete", "uid": owner} for owner in owners])

    async def _unblock(self, item: Item) -> None:
        references = [{**ref, "blockOwnerDeletion": False} for ref in item.owners]
        await self._patch_references(item, references)

    async def _patch_references(self, item: Item, references: list[Object]) -> None:
        patch = {"metadata": {"uid": item.uid, "ownerReferences": references}}
        with ignore_not_found():
            await self._client.patch(
                item.resource,
                item.obj["metadata"]["name"],
                item.namespace,
                patch,
                content_type=STRATEGIC_MERGE_PATCH,
            )

    async def _remove_finalizer(self, item: Item, finalizer: str) -> None:
        metadata = item.obj["metadata"]
        kept = [other for other in metadata.get("finalizers") or () if other != finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}}
        try:
            await self._client.patch(item.resource, metadata["name"], item.namespace, patch)
        except StatusError as error:
            if error.code != 404:
                raise


class _Watcher:
    """Puts what one informer says into the graph."""

    def __init__(self, resource: Resource, graph: Graph, queue: WorkQueue[str]) -> None:
        self._resource = resource
        self._graph = graph
        self._queue = queue

    def changed(self, old: Object | None, new: Object | None) -> None:
        """A handler of the informer."""
        look: list[str] = []
        if old and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            look += self._graph.remove(old["metadata"]["uid"])
        if new:
            look += self._graph.put(Item(self._resource, new))
        for uid in look:
            self._queue.add(uid)
