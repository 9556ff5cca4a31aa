"""The Endpoints controller: keeps the Endpoints object of every Service with a selector."""

from __future__ import annotations

from podyard.api.errors import StatusError
from podyard.api.resources import ENDPOINTS
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.endpoints.pods import has_endpoints
from podyard.controllers.endpoints.services import ServicePods
from podyard.controllers.endpoints.subsets import CONTROLLER, MANAGED_BY, endpoints_for, subsets_of
from podyard.controllers.endpoints.trigger import TriggerTimes
from podyard.controllers.errors import ignore_not_found, namespace_terminating
from podyard.controllers.meta import Object, labels_of


class EndpointsController:
    """Writes a Service's Endpoints as its pods come, go and change."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._queue: WorkQueue[Key] = WorkQueue()
        self._endpoints = informers.informer(ENDPOINTS)
        self._endpoints.add_handler(self._endpoints_changed)
        self._watched = ServicePods(informers, self._queue.add)
        self._times = TriggerTimes()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._watched.synced()
        await self._endpoints.synced()
        await run_workers("endpoints-controller", self._queue, self.sync)

    def _endpoints_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._queue.add(key_of(changed))

    async def sync(self, key: Key) -> None:
        """Bring the Endpoints of one Service up to date."""
        service, current = self._watched.services.get(*key), self._endpoints.get(*key)
        if service is None:
            self._times.forget(key)
            if current is not None and labels_of(current).get(MANAGED_BY) == CONTROLLER:
                await self._delete(current)
            return
        if not has_endpoints(service):
            return
        pods = self._watched.pods_of(service)
        made = endpoints_for(
            service, subsets_of(service, pods), current, self._times.changed_at(service, pods)
        )
        if made is not None:
            await self._write(made, new=current is None)

    async def _write(self, endpoints: Object, *, new: bool) -> None:
        write = self._client.create if new else self._client.update
        try:
            written = await write(ENDPOINTS, endpoints)
        except StatusError as error:
            if namespace_terminating(error):
                return
            raise
        await self._endpoints.saw(written)

    async def _delete(self, endpoints: Object) -> None:
        namespace, name = key_of(endpoints)
        with ignore_not_found():
            await self._client.delete(ENDPOINTS, name, namespace, uid=endpoints["metadata"]["uid"])
        await self._endpoints.saw_deletion(endpoints)
