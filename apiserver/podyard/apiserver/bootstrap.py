"""What a cluster has from the start: namespaces, priority classes, the `kubernetes` Service."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from podyard.api.errors import StatusError
from podyard.api.resources import ENDPOINTS, ENDPOINTSLICES, NAMESPACES, SERVICES, Resource, find
from podyard.apiserver.registry import Object, Registry, User, WriteOptions
from podyard.process.clock import Clock

logger = logging.getLogger("bootstrap")

USER = User("system:apiserver", ("system:masters",))
NAMESPACE_NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")
RECONCILE_SECONDS = 10.0

_PRIORITY_CLASSES = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node "
        "if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}


@dataclass(frozen=True, slots=True)
class Advertised:
    """Where the `kubernetes` Service is, and where it leads."""

    cluster_ip: str
    address: str
    port: int


async def bootstrap(registry: Registry, advertised: Advertised) -> None:
    """Create what is missing."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACE_NAMES
    ]
    await asyncio.gather(*(_ensure(registry, NAMESPACES, "", namespace) for namespace in namespaces))
    classes = find("scheduling.k8s.io", "v1", "priorityclasses")
    assert classes is not None  # in the table of resources
    await asyncio.gather(
        reconcile_kubernetes_service(registry, advertised),
        *(_ensure(registry, classes, "", _priority_class(name)) for name in _PRIORITY_CLASSES),
    )


async def keep_kubernetes_service(registry: Registry, advertised: Advertised, clock: Clock) -> None:
    """Put the `kubernetes` Service and its endpoints right again, for ever."""
    while True:
        await clock.sleep(RECONCILE_SECONDS)
        try:
            await reconcile_kubernetes_service(registry, advertised)
        except StatusError as error:
            logger.warning("the kubernetes Service: %s", error)


async def reconcile_kubernetes_service(registry: Registry, advertised: Advertised) -> None:
    """Make the Service and its endpoints what they should be."""
    await asyncio.gather(
        _ensure(registry, SERVICES, "default", _service(advertised)),
        _put(registry, ENDPOINTS, _endpoints(advertised)),
        _put(registry, ENDPOINTSLICES, _slice(advertised)),
    )


async def _ensure(registry: Registry, resource: Resource, namespace: str, obj: Object) -> None:
    try:
        await registry.get(resource, namespace, obj["metadata"]["name"])
    except StatusError as error:
        if error.code != 404:
            raise
        await registry.create(resource, namespace, obj, WriteOptions(USER))


async def _put(registry: Registry, resource: Resource, obj: Object) -> None:
    """Create it, or replace it; the registry writes nothing when it is the same already."""
    name = obj["metadata"]["name"]
    try:
        await registry.get(resource, "default", name)
    except StatusError as error:
        if error.code != 404:
            raise
        await registry.create(resource, "default", obj, WriteOptions(USER))
    else:
        await registry.update(resource, "default", name, obj, WriteOptions(USER))


def _priority_class(name: str) -> Object:
    value, description = _PRIORITY_CLASSES[name]
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "description": description,
    }


def _service(advertised: Advertised) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": advertised.cluster_ip,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": advertised.port}],
        },
    }


def _endpoints(advertised: Advertised) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": advertised.address}],
                "ports": [{"name": "https", "port": advertised.port, "protocol": "TCP"}],
            }
        ],
    }


def _slice(advertised: Advertised) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [advertised.address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": advertised.port, "protocol": "TCP"}],
    }
