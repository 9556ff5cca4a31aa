"""Informers that the parts of one process share, so that each object is decoded and kept once."""

from __future__ import annotations

import asyncio

from podyard.api.resources import Resource
from podyard.client.client import Client, Object
from podyard.client.informer import Informer
from podyard.process.clock import Clock, RealClock

_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
)


def metadata_only(obj: Object) -> Object:
    """An object without its content: what garbage collection needs and no more."""
    metadata = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {key: metadata[key] for key in _KEPT_METADATA if key in metadata},
    }


class InformerFactory:
    """Makes informers, one for all who ask for the same, and runs them.

    An informer may be asked for at any time; once `run` is under way a new one starts at once.
    """

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock or RealClock()
        self._informers: dict[tuple[Resource, str, str, str], Informer] = {}
        self._metadata: dict[Resource, Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def informer(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Informer:
        """The informer of these objects."""
        key = (resource, namespace, label_selector, field_selector)
        if key not in self._informers:
            informer = Informer(
                self._client,
                resource,
                namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                clock=self._clock,
            )
            self._informers[key] = informer
            self._start(informer)
        return self._informers[key]

    def metadata(self, resource: Resource) -> Informer:
        """An informer of all objects of a resource that need not hold more than their metadata.

        It is the whole one where somebody has asked for that before.
        """
        whole = self._informers.get((resource, "", "", ""))
        if whole is not None:
            return whole
        if resource not in self._metadata:
            informer = Informer(self._client, resource, transform=metadata_only, clock=self._clock)
            self._metadata[resource] = informer
            self._start(informer)
        return self._metadata[resource]

    async def synced(self) -> None:
        """Wait until every informer asked for so far has its first list."""
        for informer in [*self._informers.values(), *self._metadata.values()]:
            await informer.synced()

    async def run(self) -> None:
        """Follow the apiserver until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for informer in [*self._informers.values(), *self._metadata.values()]:
                self._start(informer)
            await asyncio.get_running_loop().create_future()

    def _start(self, informer: Informer) -> None:
        if self._group is not None:
            self._group.create_task(informer.run())
