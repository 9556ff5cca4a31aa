"""The proxy of a node: follows Services and EndpointSlices, and keeps the sockets in line with them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from podyard.api.resources import ENDPOINTSLICES, NODES, SERVICES
from podyard.api.times import from_rfc3339
from podyard.client.client import Client, Object
from podyard.client.events import EventRecorder
from podyard.client.informer import Informer, all_synced, key_of, run_informers
from podyard.process.clock import Clock
from podyard.proxy.frontends import Frontends
from podyard.proxy.metrics import PROGRAMMING_SECONDS, SYNC_SECONDS
from podyard.proxy.slim import SERVICE_NAME, TRIGGER_TIME, slim_service, slim_slice
from podyard.proxy.sockets import NewSocket
from podyard.proxy.table import Frontend, Node, Rule, ServiceKey, Table, rules_of
from podyard.proxy.workers import Workers

ZONE_LABEL = "topology.kubernetes.io/zone"
# As kube-proxy: nothing that is headless, nothing that another proxy serves.
SELECTOR = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name"

logger = logging.getLogger("proxy")


def service_of(piece: Object) -> ServiceKey | None:
    """The Service that an EndpointSlice belongs to."""
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
    return (metadata["namespace"], name) if name else None


def _slice_index(piece: Object) -> list[str]:
    key = service_of(piece)
    return ["/".join(key)] if key else []


def _trigger_time(piece: Object | None) -> float:
    """When the pod or Service changed for which the slice was written; 0 when it does not say."""
    text = ((piece or {}).get("metadata", {}).get("annotations") or {}).get(TRIGGER_TIME)
    return from_rfc3339(text) if text else 0.0


class Proxy:
    """Keeps forwarding with what it knows while the apiserver is away."""

    def __init__(
        self,
        client: Client,
        node: Node,
        workers: Workers,
        recorder: EventRecorder,
        clock: Clock,
        new_socket: NewSocket,
    ) -> None:
        self._node = node
        self._workers = workers
        self._clock = clock
        self._recorder = recorder
        self._services = Informer(client, SERVICES, label_selector=SELECTOR, transform=slim_service)
        self._slices = Informer(client, ENDPOINTSLICES, label_selector=SELECTOR, transform=slim_slice)
        self._slices.add_index("service", _slice_index)
        self._nodes = Informer(client, NODES, field_selector=f"metadata.name={node.name}")
        self._nodes.add_handler(self._node_changed)
        self._services.add_handler(self._service_changed)
        self._slices.add_handler(self._slice_changed)
        self._table = Table()
        self._frontends = Frontends(workers, workers.metrics, clock, self._cannot_listen, new_socket)
        self._dirty: dict[ServiceKey, None] = {}
        self._triggered: list[float] = []
        self._ready = False
        self._scheduled = False
        self._loop = asyncio.get_running_loop()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled; `on_ready` is called when all Services at hand are served."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(run_informers(self._services, self._slices, self._nodes))
                await all_synced(self._services, self._slices, self._nodes)
                self._ready = True
                self._sync()
                on_ready()
        finally:
            self._ready = False
            self._frontends.close()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self._mark(key_of(obj))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            key = service_of(piece) if piece is not None else None
            if key is not None:
                self._mark(key)
        if self._ready and new is not None and (at := _trigger_time(new)) and at != _trigger_time(old):
            self._triggered.append(at)

    def _node_changed(self, _old: Object | None, new: Object | None) -> None:
        labels = new["metadata"].get("labels") if new is not None else None
        zone = (labels or {}).get(ZONE_LABEL, "")
        if zone != self._node.zone:
            self._node = replace(self._node, zone=zone)
            for service in self._services.list():
                self._mark(key_of(service))

    def _mark(self, key: ServiceKey) -> None:
        """Sync `key` in this turn of the event loop; changes that come together are one sync."""
        self._dirty[key] = None
        if self._ready and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._sync)

    def _sync(self) -> None:
        self._scheduled = False
        if not self._ready:
            return
        started = time.perf_counter()
        dirty, self._dirty = self._dirty, {}
        triggered, self._triggered = self._triggered, []
        for key in dirty:
            try:
                self._sync_service(key)
            except Exception:
                logger.exception("%s/%s: not synced", *key)
        self._workers.flush()
        SYNC_SECONDS.observe(time.perf_counter() - started)
        for changed_at in triggered:
            PROGRAMMING_SECONDS.observe(max(self._clock.now() - changed_at, 0))

    def _sync_service(self, key: ServiceKey) -> None:
        service = self._services.get(*key)
        rules = {}
        if service is not None:
            rules = rules_of(service, self._slices.by_index("service", "/".join(key)), self._node)
        changes = self._table.update(key, rules)
        self._frontends.apply(changes)
        for frontend, holder in changes.contested:
            logger.warning("%s/%s: %s is held by Service %s/%s", *key, frontend, *holder)
        if service is None:
            self._workers.forget(key)

    def _cannot_listen(self, frontend: Frontend, rule: Rule, reason: str) -> None:
        service = self._services.get(*rule.service)
        if service is not None:
            message = f"proxy of node {self._node.name} cannot listen on {frontend}: {reason}"
            self._recorder.event(service, "Warning", "FailedToListen", message)
