"""Follows the cluster's Services, EndpointSlices and Namespaces, and keeps the zone in line with them."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import sys

from podyard.api.resources import ENDPOINTSLICES, NAMESPACES, SERVICES
from podyard.client.client import Client, Object
from podyard.client.informer import Informer, all_synced, key_of, run_informers
from podyard.dns.answers import Answers
from podyard.dns.records import ServiceKey
from podyard.dns.zone import Zone

SERVICE_NAME_LABEL = "kubernetes.io/service-name"

GC_THRESHOLDS = gc.get_threshold()
LOADING_THRESHOLD = 200_000
"""Objects between two collections while the lists are loaded: all of them are here to stay."""

logger = logging.getLogger("dns")


class Cluster:
    """The informers. Answers go on from what is known while the apiserver is away."""

    def __init__(self, client: Client, zone: Zone, answers: Answers) -> None:
        self._zone = zone
        self._answers = answers
        self.services = Informer(client, SERVICES, transform=trimmed_service)
        self.slices = Informer(
            client, ENDPOINTSLICES, label_selector=SERVICE_NAME_LABEL, transform=trimmed_slice
        )
        self._namespaces = Informer(client, NAMESPACES)
        self.slices.add_index("service", _slice_index)
        self.services.add_handler(self._service_changed)
        self.slices.add_handler(self._slice_changed)
        self._namespaces.add_handler(self._namespace_changed)
        self._dirty: dict[ServiceKey, None] = {}
        self._loading = True
        gc.set_threshold(LOADING_THRESHOLD)
        self._scheduled = False
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Follow the apiserver until cancelled."""
        await run_informers(self.services, self.slices, self._namespaces)

    async def synced(self) -> None:
        """Wait until the zone holds what the cluster held at the start."""
        await all_synced(self.services, self.slices, self._namespaces)
        self._sync()
        self._loading = False
        _settle()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self._mark(key_of(obj))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if piece is not None:
                for key in _slice_index(piece):
                    namespace, _, name = key.partition("/")
                    self._mark((namespace, name))

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._answers.forget(self._zone.add_namespace(new["metadata"]["name"]))
        elif old is not None:
            self._answers.forget(self._zone.remove_namespace(old["metadata"]["name"]))

    def _mark(self, key: ServiceKey) -> None:
        """Sync in this turn of the event loop; changes that come together are one."""
        self._dirty[key] = None
        if not self._scheduled and not self._loading:
            self._scheduled = True
            self._loop.call_soon(self._sync)

    def _sync(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for key in dirty:
            service = self.services.get(*key)
            slices = self.slices.by_index("service", "/".join(key)) if service is not None else ()
            try:
                if self._loading:
                    self._zone.load(key, service, slices)
                else:
                    self._answers.forget(self._zone.update(key, service, slices))
            except Exception:
                logger.exception("%s/%s: its records were not changed", *key)


def _settle() -> None:
    """Have the garbage collector pass over what is here to stay, and give free memory back.

    A collection that looks at the objects of a hundred thousand pods keeps queries waiting for a tenth
    of a second.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
    if trim is not None:
        trim(0)


def _slice_index(piece: Object) -> list[str]:
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return [f"{metadata['namespace']}/{name}"] if name else []


# What is kept of a hundred thousand endpoints makes up most of this process.


def trimmed_service(service: Object) -> Object:
    """What records are made of."""
    spec = service["spec"]
    wanted = ("type", "clusterIP", "clusterIPs", "externalName", "publishNotReadyAddresses")
    ports = [
        {"name": port["name"], "protocol": port.get("protocol", "TCP"), "port": port["port"]}
        for port in spec.get("ports") or ()
        if port.get("name")
    ]
    return {
        "metadata": _identity(service),
        "spec": {**{field: spec[field] for field in wanted if field in spec}, "ports": ports},
    }


def trimmed_slice(piece: Object) -> Object:
    """What records are made of."""
    labels = piece["metadata"].get("labels") or {}
    return {
        "metadata": {**_identity(piece), "labels": {SERVICE_NAME_LABEL: labels.get(SERVICE_NAME_LABEL)}},
        "addressType": sys.intern(piece["addressType"]),
        "endpoints": [_trimmed_endpoint(one) for one in piece.get("endpoints") or ()],
        "ports": piece.get("ports"),
    }


_READY: Object = {"ready": True}
_NOT_READY: Object = {"ready": False}


def _trimmed_endpoint(endpoint: Object) -> Object:
    ready = (endpoint.get("conditions") or {}).get("ready") is not False
    trimmed = {"addresses": endpoint["addresses"], "conditions": _READY if ready else _NOT_READY}
    if endpoint.get("hostname"):
        trimmed["hostname"] = endpoint["hostname"]
    return trimmed


def _identity(obj: Object) -> Object:
    metadata = obj["metadata"]
    return {
        "namespace": sys.intern(metadata["namespace"]),
        "name": metadata["name"],
        "resourceVersion": metadata["resourceVersion"],
    }
