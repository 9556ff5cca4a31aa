"""Does what `plan` decides for each Deployment."""

from __future__ import annotations

import asyncio
import logging

from podyard.api import selectors
from podyard.api.errors import StatusError
from podyard.api.objects import controller_of
from podyard.api.resources import DEPLOYMENTS, PODS, REPLICASETS
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.claims import claim
from podyard.controllers.deployment import status as statuses
from podyard.controllers.deployment.plan import Plan, plan
from podyard.controllers.deployment.revisions import REVISION, same_template
from podyard.controllers.errors import namespace_terminating
from podyard.controllers.meta import (
    Object,
    annotations_of,
    controller_index,
    labels_of,
    orphans,
    status_of,
)
from podyard.process.clock import Clock

logger = logging.getLogger("deployment-controller")


class DeploymentController:
    """Rolls Deployments out."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._events = EventRecorder(client, "deployment-controller")
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._deployments = informers.informer(DEPLOYMENTS)
        self._sets = informers.informer(REPLICASETS)
        self._pods = informers.informer(PODS)
        self._sets.add_index("controller", controller_index)
        self._pods.add_index("controller", controller_index)
        self._deployments.add_handler(self._deployment_changed)
        self._sets.add_handler(self._set_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in (self._deployments, self._sets, self._pods):
            await informer.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(run_workers("deployment-controller", self._queue, self.sync))

    def _deployment_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._queue.add(key_of(new))

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        for rs in (old, new):
            reference = controller_of(rs) if rs else None
            if rs and reference and reference["kind"] == "Deployment":
                self._queue.add((rs["metadata"]["namespace"], reference["name"]))
        if new is not None and controller_of(new) is None:
            for deployment in self._deployments.list(new["metadata"]["namespace"]):
                if _selector(deployment).matches(labels_of(new)):
                    self._queue.add(key_of(deployment))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Recreate waits until the last old pod has gone, which no ReplicaSet status tells."""
        reference = controller_of(old) if old and new is None else None
        if old is None or reference is None or reference["kind"] != "ReplicaSet":
            return
        rs = self._sets.get(old["metadata"]["namespace"], reference["name"])
        owner = controller_of(rs) if rs else None
        if owner and owner["kind"] == "Deployment":
            self._queue.add((old["metadata"]["namespace"], owner["name"]))

    async def sync(self, key: Key) -> None:
        """Take one Deployment a step further."""
        deployment = self._deployments.get(*key)
        if deployment is None:
            return
        if not deployment["spec"].get("selector"):
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self._events.event(deployment, "Warning", "SelectingAll", message)
            return
        sets = await self._claim(deployment)
        pods = {
            rs["metadata"]["uid"]: self._pods.by_index("controller", rs["metadata"]["uid"]) for rs in sets
        }
        todo = plan(deployment, sets, pods, self._clock.now())
        await self._write_sets(deployment, todo)
        for event in todo.events:
            self._events.event(deployment, *event)
        await self._write_deployment(deployment, todo)
        if todo.again_in is not None:
            self._queue.add_after(key, todo.again_in)

    async def _claim(self, deployment: Object) -> list[Object]:
        metadata = deployment["metadata"]
        candidates = self._sets.by_index("controller", metadata["uid"]) + self._sets.by_index(
            "controller", orphans(metadata["namespace"])
        )
        selector = _selector(deployment)
        return await claim(
            self._client,
            DEPLOYMENTS,
            deployment,
            self._sets,
            candidates,
            lambda rs: selector.matches(labels_of(rs)),
        )

    async def _write_sets(self, deployment: Object, todo: Plan) -> None:
        if todo.create is not None:
            await self._create(deployment, todo.create)
        for rs in todo.update:
            await self._sets.saw(await self._client.update(REPLICASETS, rs))
        for rs in todo.delete:
            namespace, name = key_of(rs)
            await self._client.delete(REPLICASETS, name, namespace, uid=rs["metadata"]["uid"])
            await self._sets.saw_deletion(rs)

    async def _create(self, deployment: Object, rs: Object) -> None:
        try:
            await self._sets.saw(await self._client.create(REPLICASETS, rs))
        except StatusError as error:
            if error.reason == "AlreadyExists":
                await self._collision(deployment, rs)
            elif not namespace_terminating(error):
                await self._report_failure(deployment, rs, error)
            raise

    async def _collision(self, deployment: Object, rs: Object) -> None:
        """Another ReplicaSet has the name: unless it is ours after all, choose another hash."""
        existing = await self._client.get(REPLICASETS, rs["metadata"]["name"], rs["metadata"]["namespace"])
        owner = controller_of(existing)
        ours = owner is not None and owner["uid"] == deployment["metadata"]["uid"]
        if ours and same_template(existing["spec"]["template"], deployment["spec"]["template"]):
            await self._sets.saw(existing)
            return
        old = status_of(deployment)
        await self._write_status(deployment, {**old, "collisionCount": (old.get("collisionCount") or 0) + 1})

    async def _report_failure(self, deployment: Object, rs: Object, error: StatusError) -> None:
        message = f'Failed to create new replica set "{rs["metadata"]["name"]}": {error}'
        self._events.event(deployment, "Warning", "ReplicaSetCreateError", message)
        if statuses.has_deadline(deployment):
            old = status_of(deployment)
            verdict = statuses.condition(
                "Progressing", "False", "ReplicaSetCreateError", message, self._clock.now()
            )
            conditions = statuses.with_condition(old.get("conditions") or [], verdict)
            await self._write_status(deployment, {**old, "conditions": conditions})

    async def _write_deployment(self, deployment: Object, todo: Plan) -> None:
        """Revision and status in one write, as in Kubernetes: the status sub-resource takes annotations."""
        if todo.revision:
            metadata = deployment["metadata"]
            annotations = {**annotations_of(deployment), REVISION: todo.revision}
            deployment = {**deployment, "metadata": {**metadata, "annotations": annotations}}
        if todo.revision or todo.status != status_of(deployment):
            await self._write_status(deployment, todo.status)

    async def _write_status(self, deployment: Object, status: Object) -> None:
        changed = {**deployment, "status": status}
        await self._deployments.saw(await self._client.update(DEPLOYMENTS, changed, subresource="status"))


def _selector(deployment: Object) -> selectors.LabelSelector:
    return selectors.from_label_selector(deployment["spec"].get("selector"))
