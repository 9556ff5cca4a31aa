"""What every namespace comes with: the ServiceAccount `default` and the ConfigMap kube-root-ca.crt.

Source: k8s.io/kubernetes pkg/controller/serviceaccount, pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from podyard.api.errors import StatusError
from podyard.api.resources import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS, Resource
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.errors import namespace_terminating
from podyard.controllers.meta import Object, is_terminating

_CA_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
    "as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions "
    "of Kubernetes clusters."
)


def default_service_account() -> Object:
    """The ServiceAccount of pods that name none."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}


def root_ca_config_map(certificate: str) -> Object:
    """The ConfigMap with the cluster's CA certificate (PEM)."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kube-root-ca.crt",
            "annotations": {"kubernetes.io/description": _CA_DESCRIPTION},
        },
        "data": {"ca.crt": certificate},
    }


class NamespaceDefaultsController:
    """Keeps one object, the same, in every namespace."""

    def __init__(self, client: Client, informers: InformerFactory, resource: Resource, obj: Object) -> None:
        self._client = client
        self._resource = resource
        self._object = obj
        self._name = str(obj["metadata"]["name"])
        self._queue: WorkQueue[str] = WorkQueue()
        self._namespaces = informers.informer(NAMESPACES)
        self._objects = informers.informer(resource, field_selector=f"metadata.name={self._name}")
        self._namespaces.add_handler(self._namespace_changed)
        self._objects.add_handler(self._object_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._namespaces.synced()
        await self._objects.synced()
        await run_workers(f"default-{self._resource.plural}", self._queue, self.sync, workers=2)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(new["metadata"]["name"])

    def _object_changed(self, old: Object | None, new: Object | None) -> None:
        self._queue.add((new or old or {})["metadata"]["namespace"])

    async def sync(self, namespace: str) -> None:
        """Create the object, or put its data right."""
        where = self._namespaces.get("", namespace)
        if where is None or is_terminating(where):
            return
        current = self._objects.get(namespace, self._name)
        if current is None:
            await self._create(namespace)
        elif current.get("data") != self._object.get("data"):
            changed = {**current, "data": self._object["data"]}
            await self._objects.saw(await self._client.update(self._resource, changed))

    async def _create(self, namespace: str) -> None:
        try:
            await self._objects.saw(await self._client.create(self._resource, self._object, namespace))
        except StatusError as error:
            if error.reason != "AlreadyExists" and not namespace_terminating(error):
                raise


def namespace_defaults(
    client: Client, informers: InformerFactory, ca_certificate: str
) -> list[NamespaceDefaultsController]:
    """The controllers of both objects."""
    return [
        NamespaceDefaultsController(client, informers, SERVICEACCOUNTS, default_service_account()),
        NamespaceDefaultsController(client, informers, CONFIGMAPS, root_ca_config_map(ca_certificate)),
    ]
