"""The EndpointSlice controller: keeps the slices of every Service with a selector."""

from __future__ import annotations

import asyncio

from podyard.api.resources import ENDPOINTSLICES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Informer, Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.endpoints.pods import endpoints_of, has_endpoints, is_headless
from podyard.controllers.endpoints.services import ServicePods
from podyard.controllers.endpoints.slices import (
    HEADLESS,
    MANAGED_BY,
    SERVICE_NAME,
    Changes,
    Template,
    reconcile,
)
from podyard.controllers.endpoints.trigger import TriggerTimes
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, controller_reference, labels_of

CONTROLLER = "endpointslice-controller.k8s.io"


class EndpointSliceController:
    """Writes a Service's slices as its pods come, go and change."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._queue: WorkQueue[Key] = WorkQueue()
        self._slices = informers.informer(ENDPOINTSLICES)
        self._slices.add_index("service", by_service)
        self._slices.add_handler(self._slice_changed)
        self._watched = ServicePods(informers, self._queue.add)
        self._times = TriggerTimes()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._watched.synced()
        await self._slices.synced()
        await run_workers("endpointslice-controller", self._queue, self.sync)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for slice_ in (old, new):
            if slice_ and labels_of(slice_).get(MANAGED_BY) == CONTROLLER:
                self._queue.add((slice_["metadata"]["namespace"], labels_of(slice_).get(SERVICE_NAME, "")))

    async def sync(self, key: Key) -> None:
        """Bring the slices of one Service up to date."""
        existing = managed_slices(self._slices, key, CONTROLLER)
        service = self._watched.services.get(*key)
        if service is None:
            self._times.forget(key)
            await write_slices(self._client, self._slices, Changes(delete=existing))
        elif has_endpoints(service):
            pods = self._watched.pods_of(service)
            template = _template(service, self._times.changed_at(service, pods))
            groups = endpoints_of(service, pods, self._watched.node)
            await write_slices(
                self._client, self._slices, reconcile(template, groups, existing, placeholder=True)
            )


def _template(service: Object, trigger_time: str) -> Template:
    metadata = service["metadata"]
    labels = {k: v for k, v in labels_of(service).items() if k not in (SERVICE_NAME, MANAGED_BY, HEADLESS)}
    labels |= {SERVICE_NAME: metadata["name"], MANAGED_BY: CONTROLLER}
    if is_headless(service):
        labels[HEADLESS] = ""
    return Template(
        namespace=metadata["namespace"],
        generate_name=f"{metadata['name']}-",
        labels=labels,
        owner=controller_reference(service),
        trigger_time=trigger_time,
    )


def by_service(slice_: Object) -> tuple[str, ...]:
    """Index values: the Service that a slice belongs to, as namespace/name."""
    name = labels_of(slice_).get(SERVICE_NAME)
    return (f"{slice_['metadata']['namespace']}/{name}",) if name else ()


def managed_slices(slices: Informer, service: Key, controller: str) -> list[Object]:
    """The slices of a Service that this controller writes."""
    found = slices.by_index("service", "/".join(service))
    return [slice_ for slice_ in found if labels_of(slice_).get(MANAGED_BY) == controller]


async def write_slices(client: Client, informer: Informer, changes: Changes) -> None:
    """Write all changes at once, and wait until the informer shows them."""

    async def create(slice_: Object) -> None:
        await informer.saw(await client.create(ENDPOINTSLICES, slice_))

    async def update(slice_: Object) -> None:
        await informer.saw(await client.update(ENDPOINTSLICES, slice_))

    async def delete(slice_: Object) -> None:
        namespace, name = key_of(slice_)
        with ignore_not_found():
            await client.delete(ENDPOINTSLICES, name, namespace, uid=slice_["metadata"]["uid"])
        await informer.saw_deletion(slice_)

    await asyncio.gather(
        *map(create, changes.create), *map(update, changes.update), *map(delete, changes.delete)
    )
