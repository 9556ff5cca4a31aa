"""The namespace controller: empties a namespace that is being deleted, then lets it go.

Source: k8s.io/kubernetes pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from podyard.api.errors import StatusError
from podyard.api.objects import find_condition
from podyard.api.resources import NAMESPACES, PODS, RESOURCES, Resource
from podyard.api.times import to_rfc3339
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.meta import Object, is_terminating, status_of
from podyard.process.clock import Clock

FINALIZER = "kubernetes"

POLL_SECONDS = 0.5
"""How soon to look again at contents that take their time to go."""

CONTENTS: tuple[Resource, ...] = tuple(
    r for r in RESOURCES if r.namespaced and r.stored and r.converts_to is None
)
"""Every kind of object that can be in a namespace."""


def conditions(
    old: Sequence[Object], remaining: Mapping[Resource, Sequence[Object]], failures: Sequence[str], now: float
) -> list[Object]:
    """The conditions of a namespace with these contents left; `failures` are refused deletions."""
    left = {r: objects for r, objects in remaining.items() if objects}
    finalizers = Counter(
        finalizer
        for objects in left.values()
        for obj in objects
        for finalizer in obj["metadata"].get("finalizers") or ()
    )
    content = ", ".join(
        f"{r.group_resource}{'' if r.group else '.'} has {len(objects)} resource instances"
        for r, objects in sorted(left.items(), key=lambda item: item[0].group_resource)
    )
    holding = ", ".join(f"{f} in {count} resource instances" for f, count in sorted(finalizers.items()))
    wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            "",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeletionFailed" if failures else "",
            "ContentDeleted",
            f"Failed to delete all resource types, {len(failures)} remaining: {'; '.join(failures)}"
            if failures
            else "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            "SomeResourcesRemain" if left else "",
            "ContentRemoved",
            f"Some resources are remaining: {content}" if left else "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            "SomeFinalizersRemain" if finalizers else "",
            "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: {holding}"
            if finalizers
            else "All content-preserving finalizers finished",
        ),
    ]
    return [_condition(old, now, *entry) for entry in wanted]


def _condition(
    old: Sequence[Object], now: float, type_: str, trouble: str, fine: str, message: str
) -> Object:
    """One condition: True with the reason `trouble`, or False with the reason `fine`."""
    status = "True" if trouble else "False"
    current = find_condition(old, type_)
    since = current["lastTransitionTime"] if current and current["status"] == status else to_rfc3339(now)
    return {
        "type": type_,
        "status": status,
        "lastTransitionTime": since,
        "reason": trouble or fine,
        "message": message,
    }


class NamespaceController:
    """Works on namespaces that have a deletionTimestamp."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queue: WorkQueue[str] = WorkQueue(clock)
        self._namespaces = informers.informer(NAMESPACES)
        self._pods = informers.informer(PODS)
        self._namespaces.add_handler(self._namespace_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._namespaces.synced()
        await run_workers("namespace-controller", self._queue, self.sync)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_terminating(new):
            self._queue.add(new["metadata"]["name"])

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Pods are what a namespace usually waits for."""
        if new is None and old is not None:
            namespace = self._namespaces.get("", old["metadata"]["namespace"])
            if namespace is not None and is_terminating(namespace):
                self._queue.add(namespace["metadata"]["name"])

    async def sync(self, name: str) -> None:
        """Delete what is in it; when nothing is left, take our finalizer off."""
        namespace = self._namespaces.get("", name)
        if namespace is None or not is_terminating(namespace):
            return
        if FINALIZER not in (namespace.get("spec") or {}).get("finalizers", ()):
            return
        failures: list[str] = []
        results = await asyncio.gather(*(self._empty(r, name, failures) for r in CONTENTS))
        remaining = dict(zip(CONTENTS, results, strict=True))
        namespace = await self._update_conditions(namespace, remaining, failures)
        if any(remaining.values()) or failures:
            self._queue.add_after(name, POLL_SECONDS)
            return
        spec = namespace["spec"]
        kept = [finalizer for finalizer in spec["finalizers"] if finalizer != FINALIZER]
        finalized = {**namespace, "spec": {**spec, "finalizers": kept}}
        await self._client.update(NAMESPACES, finalized, subresource="finalize")

    async def _empty(self, resource: Resource, namespace: str, failures: list[str]) -> list[Object]:
        """Delete all objects of a kind; give those that are still there."""
        try:
            found = (await self._client.list(resource, namespace)).items
            if all(is_terminating(obj) for obj in found):
                return found
            await self._client.delete_collection(resource, namespace)
            return (await self._client.list(resource, namespace)).items
        except StatusError as error:
            if error.code == 503:
                raise
            failures.append(str(error))
            return []

    async def _update_conditions(
        self, namespace: Object, remaining: Mapping[Resource, Sequence[Object]], failures: Sequence[str]
    ) -> Object:
        status = status_of(namespace)
        wanted = conditions(status.get("conditions") or [], remaining, failures, self._clock.now())
        if wanted == status.get("conditions"):
            return namespace
        changed = {**namespace, "status": {**status, "conditions": wanted}}
        written = await self._client.update(NAMESPACES, changed, subresource="status")
        await self._namespaces.saw(written)
        return written
