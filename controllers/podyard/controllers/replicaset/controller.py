"""The ReplicaSet and ReplicationController controllers: keep so many pods of a template running."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podyard.api import selectors
from podyard.api.errors import StatusError
from podyard.api.objects import controller_of
from podyard.api.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS, Resource
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.claims import claim
from podyard.controllers.errors import namespace_terminating
from podyard.controllers.meta import (
    Object,
    controller_index,
    controller_reference,
    is_terminating,
    labels_of,
    orphans,
    status_of,
)
from podyard.controllers.pods import is_active, is_finished
from podyard.controllers.replicaset.plan import desired, new_pod, plan, replica_status
from podyard.process.clock import Clock

logger = logging.getLogger("replicaset-controller")


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the two kinds that this controller serves."""

    resource: Resource
    component: str
    selector_of: Callable[[Object], selectors.LabelSelector]
    counts_terminating: bool


REPLICA_SET = Kind(
    REPLICASETS,
    "replicaset-controller",
    lambda owner: selectors.from_label_selector(owner["spec"].get("selector")),
    True,
)
REPLICATION_CONTROLLER = Kind(
    REPLICATIONCONTROLLERS,
    "replication-controller",
    lambda owner: selectors.from_map(owner["spec"].get("selector")),
    False,
)


class ReplicaSetController:
    """Creates and deletes pods, adopts and releases them, and keeps the status."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock, kind: Kind) -> None:
        self._client = client
        self._clock = clock
        self._kind = kind
        self._events = EventRecorder(client, kind.component)
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._owners = informers.informer(kind.resource)
        self._pods = informers.informer(PODS)
        self._pods.add_index("controller", controller_index)
        self._owners.add_index("controller", controller_index)
        self._owners.add_handler(self._owner_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._owners.synced()
        await self._pods.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(run_workers(self._kind.component, self._queue, self.sync))

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            reference = controller_of(pod) if pod else None
            if pod and reference and reference["kind"] == self._kind.resource.kind:
                self._queue.add((pod["metadata"]["namespace"], reference["name"]))
        if new is None or controller_of(new) is not None:
            return
        if old is None or labels_of(old) != labels_of(new) or controller_of(old) is not None:
            for owner in self._owners.list(new["metadata"]["namespace"]):
                if self._kind.selector_of(owner).matches(labels_of(new)):
                    self._queue.add(key_of(owner))

    async def sync(self, key: Key) -> None:
        """Bring one ReplicaSet's pods and status up to date."""
        owner = self._owners.get(*key)
        if owner is None:
            return
        active = await self._claim(owner)
        failure: StatusError | None = None
        if not is_terminating(owner):
            failure = await self._manage(owner, active)
            active = [pod for pod in self._owned(owner) if is_active(pod)]
        await self._update_status(owner, active, failure)
        if failure is not None:
            raise failure

    def _owned(self, owner: Object) -> list[Object]:
        return self._pods.by_index("controller", owner["metadata"]["uid"])

    async def _claim(self, owner: Object) -> list[Object]:
        """The active pods that belong to the owner, after those it has to adopt and to release."""
        candidates = self._owned(owner) + self._pods.by_index(
            "controller", orphans(owner["metadata"]["namespace"])
        )
        selector = self._kind.selector_of(owner)
        return await claim(
            self._client,
            self._kind.resource,
            owner,
            self._pods,
            [pod for pod in candidates if is_active(pod)],
            lambda pod: selector.matches(labels_of(pod)),
        )

    async def _manage(self, owner: Object, active: Sequence[Object]) -> StatusError | None:
        todo = plan(desired(owner), active, self._related(owner), self._clock.now())
        if todo.create:
            return await self._create(owner, todo.create)
        results = await asyncio.gather(*(self._delete(owner, pod) for pod in todo.delete))
        return next((error for error in results if error is not None), None)

    def _related(self, owner: Object) -> list[Object]:
        reference = controller_of(owner)
        siblings = self._owners.by_index("controller", reference["uid"]) if reference else [owner]
        return [pod for sibling in siblings for pod in self._owned(sibling)]

    async def _create(self, owner: Object, count: int) -> StatusError | None:
        """Create pods in batches of 1, 2, 4, …, so that a template that is refused is refused once."""
        batch = 1
        while count > 0:
            batch = min(batch, count)
            results = await asyncio.gather(*(self._create_one(owner) for _ in range(batch)))
            failure = next((error for error in results if error is not None), None)
            if failure is not None:
                return failure
            count, batch = count - batch, batch * 2
        return None

    async def _create_one(self, owner: Object) -> StatusError | None:
        try:
            pod = await self._client.create(PODS, new_pod(owner, controller_reference(owner)))
        except StatusError as error:
            if not namespace_terminating(error):
                self._events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            return error
        self._events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        await self._pods.saw(pod)
        return None

    async def _delete(self, owner: Object, pod: Object) -> StatusError | None:
        namespace, name = key_of(pod)
        try:
            await self._client.delete(PODS, name, namespace, uid=pod["metadata"]["uid"])
        except StatusError as error:
            if error.code == 404:
                return None
            self._events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            return error
        self._events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")
        await self._pods.saw_deletion(pod)
        return None

    async def _update_status(
        self, owner: Object, active: Sequence[Object], failure: StatusError | None
    ) -> None:
        terminating = None
        if self._kind.counts_terminating:
            pods = self._owned(owner)
            terminating = sum(is_terminating(pod) and not is_finished(pod) for pod in pods)
        status, again = replica_status(owner, active, terminating, str(failure or ""), self._clock.now())
        if status != status_of(owner):
            updated = await self._client.update(
                self._kind.resource, {**owner, "status": status}, subresource="status"
            )
            await self._owners.saw(updated)
        if again is not None:
            self._queue.add_after(key_of(owner), again)
