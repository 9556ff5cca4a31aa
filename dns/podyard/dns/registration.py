"""The kube-dns Service: how the cluster finds its DNS server.

It is an ordinary Service without a selector, as kubeadm would name and label it; this process
keeps it, and its own address in an EndpointSlice (and in the Endpoints of the same name, for those
who still read these). Several DNS processes each have a slice of their own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES, Resource
from podyard.client.client import Client, Object
from podyard.client.controller import run_workers
from podyard.client.workqueue import WorkQueue
from podyard.dns.cluster import SERVICE_NAME_LABEL, Cluster

NAMESPACE = "kube-system"
NAME = "kube-dns"
LABELS = {
    "k8s-app": "kube-dns",
    "kubernetes.io/cluster-service": "true",
    "kubernetes.io/name": "CoreDNS",
}
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "dns.podyard"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
WITHDRAW_SECONDS = 2.0

logger = logging.getLogger("dns")


def desired_service(cluster_ip: str) -> Object:
    """The Service, its ports in the order of `53/UDP,53/TCP`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": NAMESPACE, "name": NAME, "labels": dict(LABELS)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip,
            "clusterIPs": [cluster_ip],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    }


def _ports(port: int) -> list[Object]:
    return [
        {"name": "dns", "port": port, "protocol": "UDP"},
        {"name": "dns-tcp", "port": port, "protocol": "TCP"},
    ]


def slice_name(address: str) -> str:
    """The name of the slice of the DNS process at `address`."""
    return f"{NAME}-{address.replace('.', '-').replace(':', '-')}"


def desired_slice(service: Object, address: str, port: int) -> Object:
    """The slice with this process' address."""
    owner = {"apiVersion": "v1", "kind": "Service", "name": NAME, "uid": service["metadata"]["uid"]}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": NAMESPACE,
            "name": slice_name(address),
            "labels": {**LABELS, SERVICE_NAME_LABEL: NAME, MANAGED_BY: MANAGER},
            "ownerReferences": [owner],
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}
        ],
        "ports": _ports(port),
    }


def desired_endpoints(addresses: list[str], port: int) -> Object:
    """The Endpoints of the Service, with the addresses of all DNS processes."""
    subset = {"addresses": [{"ip": address} for address in addresses], "ports": _ports(port)}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"namespace": NAMESPACE, "name": NAME, "labels": {**LABELS, SKIP_MIRROR: "true"}},
        "subsets": [subset] if addresses else [],
    }


def differs(desired: Any, actual: Any) -> bool:
    """Whether `actual` lacks anything of `desired`; what it has beyond that (defaults) does not count."""
    if isinstance(desired, dict):
        return not isinstance(actual, dict) or any(differs(desired[key], actual.get(key)) for key in desired)
    if isinstance(desired, list):
        return (
            not isinstance(actual, list) or len(actual) != len(desired) or any(map(differs, desired, actual))
        )
    return bool(desired != actual)


def addresses_of(slices: list[Object]) -> list[str]:
    """The addresses in the slices that such processes keep of the Service."""
    found = {
        address
        for piece in slices
        for one in piece.get("endpoints") or ()
        for address in one["addresses"]
        if piece["metadata"]["name"] == slice_name(address)
    }
    return sorted(found)


class Registration:
    """Puts this process into the Service, keeps it there, and takes it out at the end."""

    def __init__(self, client: Client, cluster: Cluster, service_ip: str, address: str, port: int) -> None:
        self._client = client
        self._cluster = cluster
        self._service_ip = service_ip
        self._address = address
        self._port = port
        self._queue: WorkQueue[str] = WorkQueue()
        self.registered = asyncio.Event()
        self._complained = False
        for informer in (cluster.services, cluster.slices):
            informer.add_handler(self._changed)

    async def run(self) -> None:
        """Keep the Service and its endpoints until cancelled. The cluster must be synced."""
        self._queue.add(NAME)
        await run_workers("dns.registration", self._queue, self._sync, workers=1)

    async def withdraw(self) -> None:
        """Take this process out of the Service's endpoints, if the apiserver is there."""
        try:
            async with asyncio.timeout(WITHDRAW_SECONDS):
                try:
                    await self._client.delete(ENDPOINTSLICES, slice_name(self._address), NAMESPACE)
                finally:
                    others = [one for one in self._addresses() if one != self._address]
                    await self._write(ENDPOINTS, desired_endpoints(others, self._port))
        except (StatusError, TimeoutError) as error:
            logger.debug("not withdrawn: %s", error)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        labels = metadata.get("labels") or {}
        if metadata.get("namespace") == NAMESPACE and NAME in (
            metadata["name"],
            labels.get(SERVICE_NAME_LABEL),
        ):
            self._queue.add(NAME)

    def _addresses(self) -> list[str]:
        return addresses_of(self._cluster.slices.by_index("service", f"{NAMESPACE}/{NAME}"))

    async def _sync(self, _key: str) -> None:
        service = await self._service()
        await self._write(ENDPOINTSLICES, desired_slice(service, self._address, self._port))
        addresses = sorted({*self._addresses(), self._address})
        await self._write(ENDPOINTS, desired_endpoints(addresses, self._port))
        self.registered.set()

    async def _service(self) -> Object:
        try:
            service = await self._client.get(SERVICES, NAME, NAMESPACE)
        except StatusError as error:
            if error.code != 404:
                raise
            return await self._client.create(SERVICES, desired_service(self._service_ip))
        actual = service["spec"].get("clusterIP")
        if actual != self._service_ip and not self._complained:
            self._complained = True
            logger.warning("Service kube-system/kube-dns has clusterIP %s, not %s", actual, self._service_ip)
        return service

    async def _write(self, resource: Resource, desired: Object) -> None:
        name = desired["metadata"]["name"]
        try:
            actual = await self._client.get(resource, name, NAMESPACE)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._client.create(resource, desired)
            return
        if differs(desired, actual):
            desired["metadata"]["resourceVersion"] = actual["metadata"]["resourceVersion"]
            await self._client.update(resource, desired)
