"""The EndpointSliceMirroring controller: slices for hand-made Endpoints of Services without a selector."""

from __future__ import annotations

from podyard.api.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.endpoints.mirror import CONTROLLER, groups_of, is_mirrored, template_of
from podyard.controllers.endpoints.slice_controller import by_service, managed_slices, write_slices
from podyard.controllers.endpoints.slices import MANAGED_BY, SERVICE_NAME, Changes, reconcile
from podyard.controllers.meta import Object, labels_of


class EndpointSliceMirroringController:
    """Writes the slices that mirror an Endpoints object."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._queue: WorkQueue[Key] = WorkQueue()
        self._endpoints = informers.informer(ENDPOINTS)
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINTSLICES)
        self._slices.add_index("service", by_service)
        self._endpoints.add_handler(self._changed)
        self._services.add_handler(self._changed)
        self._slices.add_handler(self._slice_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in (self._endpoints, self._services, self._slices):
            await informer.synced()
        await run_workers("endpointslicemirroring-controller", self._queue, self.sync, workers=1)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._queue.add(key_of(changed))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for slice_ in (old, new):
            if slice_ and labels_of(slice_).get(MANAGED_BY) == CONTROLLER:
                self._queue.add((slice_["metadata"]["namespace"], labels_of(slice_).get(SERVICE_NAME, "")))

    async def sync(self, key: Key) -> None:
        """Bring the mirror of one Endpoints object up to date."""
        existing = managed_slices(self._slices, key, CONTROLLER)
        endpoints = self._endpoints.get(*key)
        if endpoints is not None and is_mirrored(endpoints, self._services.get(*key)):
            changes = reconcile(template_of(endpoints), groups_of(endpoints), existing)
        else:
            changes = Changes(delete=existing)
        await write_slices(self._client, self._slices, changes)
