"""A DNS server on every node: the endpoints of kube-dns, each of which serves its own node alone.

So names resolve on a node whatever becomes of the others and of the apiserver's host, as with NodeLocal
DNSCache (kubernetes.io/docs/tasks/administer-cluster/nodelocaldns). The Service itself is the DNS server's.
"""

from __future__ import annotations

from collections.abc import Iterable

from podyard.api.errors import StatusError
from podyard.api.resources import ENDPOINTSLICES, NODES, SERVICES
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.meta import Object, status_of

NAMESPACE, SERVICE, SLICE = "kube-system", "kube-dns", "kube-dns-nodes"
LOCAL = "Local"


def desired_slice(service: Object, nodes: Iterable[Object], port: int) -> Object:
    """The slice with every node's DNS server, in the order of the nodes' names."""
    metadata = service["metadata"]
    owner = {"apiVersion": "v1", "kind": "Service", "name": SERVICE, "uid": metadata["uid"]}
    labels = {
        "kubernetes.io/service-name": SERVICE,
        "endpointslice.kubernetes.io/managed-by": "node-dns.podyard",
    }
    addresses = {node["metadata"]["name"]: _address(node) for node in nodes}
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": NAMESPACE, "name": SLICE, "labels": labels, "ownerReferences": [owner]},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "nodeName": name, "conditions": ready}
            for name, address in sorted(addresses.items())
            if address
        ],
        "ports": [
            {"name": name, "port": port, "protocol": protocol}
            for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
        ],
    }


def _address(node: Object) -> str:
    listed = status_of(node).get("addresses") or ()
    return next((str(a["address"]) for a in listed if a.get("type") == "InternalIP"), "")


class NodeDnsController:
    """Keeps that slice, and the Service to the endpoints of each node."""

    def __init__(self, client: Client, informers: InformerFactory, port: int) -> None:
        self._client = client
        self._port = port
        self._queue: WorkQueue[str] = WorkQueue()
        self._nodes = informers.informer(NODES)
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINTSLICES)
        self._nodes.add_handler(self._node_changed)
        for informer, name in ((self._services, SERVICE), (self._slices, SLICE)):
            informer.add_handler(lambda old, new, name=name: self._changed(old, new, name))  # type: ignore[misc]

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in (self._nodes, self._services, self._slices):
            await informer.synced()
        await run_workers("node-dns-controller", self._queue, self.sync, workers=1)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _address(old) != _address(new):
            self._queue.add(SERVICE)

    def _changed(self, old: Object | None, new: Object | None, name: str) -> None:
        metadata = (new or old or {})["metadata"]
        if (metadata.get("namespace"), metadata["name"]) == (NAMESPACE, name):
            self._queue.add(SERVICE)

    async def sync(self, _: str) -> None:
        """Write what is not as it should be."""
        service = self._services.get(NAMESPACE, SERVICE)
        if service is None:
            return
        if service["spec"].get("internalTrafficPolicy") != LOCAL:
            patch = {"spec": {"internalTrafficPolicy": LOCAL}}
            await self._services.saw(await self._client.patch(SERVICES, SERVICE, NAMESPACE, patch))
        wanted = desired_slice(service, self._nodes.list(), self._port)
        actual = self._slices.get(NAMESPACE, SLICE)
        if actual is None:
            await self._create(wanted)
        elif any(actual.get(key) != wanted[key] for key in ("endpoints", "ports")):
            wanted["metadata"]["resourceVersion"] = actual["metadata"]["resourceVersion"]
            await self._slices.saw(await self._client.update(ENDPOINTSLICES, wanted))

    async def _create(self, wanted: Object) -> None:
        try:
            await self._slices.saw(await self._client.create(ENDPOINTSLICES, wanted))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
