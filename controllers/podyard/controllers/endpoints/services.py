"""Which Services a change of a pod or a node concerns, and which pods a Service has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard.api.objects import is_ready
from podyard.api.resources import NODES, PODS, SERVICES
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.controllers.endpoints.pods import ZONE_LABEL, has_endpoints, ip_of, selects
from podyard.controllers.meta import Object, is_terminating, labels_of
from podyard.controllers.pods import phase_of, ready_since


class ServicePods:
    """Calls `enqueue` with the key of every Service whose endpoints may have changed."""

    def __init__(self, informers: InformerFactory, enqueue: Callable[[Key], None]) -> None:
        self._enqueue = enqueue
        self.services = informers.informer(SERVICES)
        self.nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index("node", by_node)
        self.services.add_handler(self._service_changed)
        self._pods.add_handler(self._pod_changed)
        self.nodes.add_handler(self._node_changed)

    async def synced(self) -> None:
        """Wait for Services, pods and nodes."""
        for informer in (self.services, self.nodes, self._pods):
            await informer.synced()

    def pods_of(self, service: Object) -> list[Object]:
        """The pods that the Service selects."""
        pods = self._pods.list(service["metadata"]["namespace"])
        return [pod for pod in pods if selects(service, pod)]

    def node(self, name: str) -> Object | None:
        """A node by its name."""
        return self.nodes.get("", name)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._enqueue(key_of(changed))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old and new and _relevant(old) == _relevant(new):
            return
        for service in self.services.list((new or old or {})["metadata"]["namespace"]):
            if has_endpoints(service) and any(pod and selects(service, pod) for pod in (old, new)):
                self._enqueue(key_of(service))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old and new and labels_of(old).get(ZONE_LABEL) == labels_of(new).get(ZONE_LABEL):
            return
        name = (new or old or {})["metadata"]["name"]
        for pod in self._pods.by_index("node", name):
            self._pod_changed(None, pod)


def by_node(pod: Object) -> tuple[str, ...]:
    """Index values: the node that a pod is bound to."""
    name = pod["spec"].get("nodeName")
    return (name,) if name else ()


def _relevant(pod: Object) -> tuple[Any, ...]:
    """All of a pod that its endpoints show (podEndpointsChanged)."""
    spec = pod["spec"]
    return (
        pod["metadata"]["uid"],
        labels_of(pod),
        is_terminating(pod),
        phase_of(pod),
        is_ready(pod),
        ready_since(pod),
        ip_of(pod),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )
