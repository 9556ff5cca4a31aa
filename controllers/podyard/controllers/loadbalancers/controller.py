"""Load balancers: an address for every Service of type LoadBalancer.

The proxies of all nodes listen on it, so that nothing else is to be set up. The order of things, the
finalizer and the Events are those of k8s.io/cloud-provider controllers/service.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from podyard.api.resources import SERVICES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.loadbalancers.addresses import (
    FINALIZER,
    Unavailable,
    addresses_of,
    choose,
    has_finalizer,
    ingress_of,
    is_ours,
    wants_balancer,
)
from podyard.controllers.meta import Object
from podyard.controllers.tasks import run_together


class LoadBalancerController:
    """Who has which address stands in the Services alone."""

    def __init__(self, client: Client, informers: InformerFactory, pool: IPv4Network) -> None:
        self._client = client
        self._pool = pool
        self._events = EventRecorder(client, "service-controller")
        self._queue: WorkQueue[Key] = WorkQueue()
        self._waiting: set[Key] = set()  # could not be given an address
        self._services = informers.informer(SERVICES)
        self._services.add_handler(self._service_changed)

    async def run(self) -> None:
        """Work until cancelled; one Service at a time, so that no address is given twice."""
        await self._services.synced()
        await run_together(
            self._events.run(), run_workers("load-balancer-controller", self._queue, self.sync, workers=1)
        )

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (is_ours(new) or has_finalizer(new)):
            self._queue.add(key_of(new))
        if old is not None and new is not None:
            self._tell_changes(old, new)
        if old is not None and addresses_of(old) != (addresses_of(new) if new else []):
            for key in self._waiting:  # an address has become free
                self._queue.add(key)

    def _tell_changes(self, old: Object, new: Object) -> None:
        if is_ours(old) != is_ours(new):
            self._event(new, "Normal", "Type", f"{old['spec'].get('type')} -> {new['spec'].get('type')}")
        before, now = (service["spec"].get("loadBalancerIP") or "" for service in (old, new))
        if is_ours(new) and before != now:
            self._event(new, "Normal", "LoadbalancerIP", f"{before} -> {now}")

    async def sync(self, key: Key) -> None:
        """Give one Service its address, or take it back."""
        self._waiting.discard(key)
        service = self._services.get(*key)
        if service is None:
            return
        if wants_balancer(service):
            await self._ensure(key, service)
        elif has_finalizer(service):
            await self._release(service)

    async def _ensure(self, key: Key, service: Object) -> None:
        others = (other for other in self._services.list() if key_of(other) != key)
        try:
            ingress = ingress_of(choose(self._pool, service, others))
        except Unavailable as error:
            self._waiting.add(key)
            why = f"Error syncing load balancer: failed to ensure load balancer: {error}"
            self._event(service, "Warning", "SyncLoadBalancerFailed", why)
            return
        current = (service["status"].get("loadBalancer") or {}).get("ingress")
        if has_finalizer(service) and current == ingress:
            return
        self._event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if not has_finalizer(service):
            finalizers = [*(service["metadata"].get("finalizers") or ()), FINALIZER]
            service = await self._patch(service, {"metadata": {"finalizers": finalizers}})
        if current != ingress:
            service = await self._patch(service, {"status": {"loadBalancer": {"ingress": ingress}}}, "status")
        await self._services.saw(service)
        self._event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    async def _release(self, service: Object) -> None:
        """The registry has emptied the status of a Service that changed its type."""
        self._event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        rest = [name for name in service["metadata"]["finalizers"] if name != FINALIZER]
        with ignore_not_found():
            await self._services.saw(await self._patch(service, {"metadata": {"finalizers": rest}}))
        self._event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")

    async def _patch(self, service: Object, patch: Object, subresource: str = "") -> Object:
        """Change the Service as it was seen; 409 when it has changed since."""
        metadata = service["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]}
        patch = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
        return await self._client.patch(
            SERVICES, metadata["name"], metadata["namespace"], patch, subresource=subresource
        )

    def _event(self, service: Object, type_: str, reason: str, message: str) -> None:
        self._events.event(service, type_, reason, message)
