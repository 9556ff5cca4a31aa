"""The kubelet of one node: follows the pods that are bound to it and runs a worker for each."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import Any

from podyard.client.informer import Informer
from podyard.kubelet.network import ConnectedPod, NetworkError
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_worker import PodWorker
from podyard.kubelet.runtime import RuntimeFailure, SandboxState
from podyard.kubelet.sandboxes import remove_sandboxes

Object = dict[str, Any]

logger = logging.getLogger("kubelet")


class Kubelet:
    """Pods in, workers out. `pods` follows this node's pods, `services` all Services.

    No container is started before the Services are known, so that it sees them in its environment.
    """

    def __init__(self, context: PodContext, pods: Informer, services: Informer) -> None:
        self._context = context
        self._pods = pods
        self._services = services
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        """The worker of a pod by its name; with `uid`, only if it is that very pod."""
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name) and uid in ("", worker.uid):
                return worker
        return None

    def workers(self) -> list[PodWorker]:
        """The workers of all pods."""
        return list(self._workers.values())

    def wake_all(self) -> None:
        """Something that concerns every pod has changed."""
        for worker in self._workers.values():
            worker.wake()

    async def run(self) -> None:
        """Work until cancelled; pods go on running then."""
        self._pods.add_handler(self._pod_changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_containers())
                group.create_task(self._pods.run())
                group.create_task(self._services.run())
                group.create_task(self._clear_orphans())
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def network_configured(self) -> None:
        """The node has addresses to give: those of the pods that run already are theirs."""
        sandboxes = await self._context.runtime.list_pod_sandboxes()
        await self._context.network.adopt(
            {
                sandbox.config.uid: ConnectedPod(sandbox.config.ip, sandbox.pid)
                for sandbox in sandboxes
                if sandbox.state == SandboxState.READY and sandbox.config.ip != self._context.node_ip
            }
        )
        self.wake_all()

    async def _follow_containers(self) -> None:
        async for event in self._context.runtime.events():
            if worker := self._workers.get(event.pod_uid):
                worker.wake()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        old_uid = old["metadata"]["uid"] if old else ""
        new_uid = new["metadata"]["uid"] if new else ""
        if old_uid and old_uid != new_uid and (worker := self._workers.get(old_uid)):
            worker.removed()
        if new is None:
            return
        if worker := self._workers.get(new_uid):
            worker.update(new)
        else:
            self._add(new)

    def _add(self, pod: Object) -> None:
        worker = PodWorker(self._context, pod, self._forget)
        self._workers[worker.uid] = worker
        self._tasks[worker.uid] = asyncio.create_task(self._run(worker), name=f"pod {worker.uid}")

    async def _run(self, worker: PodWorker) -> None:
        await self._services.synced()
        await worker.run()

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)

    async def _clear_orphans(self) -> None:
        """End what is left of pods that were deleted while no kubelet was here."""
        await self._pods.synced()
        sandboxes = await self._context.runtime.list_pod_sandboxes()
        for uid in {sandbox.config.uid for sandbox in sandboxes} - self._workers.keys():
            logger.info("ending pod %s, which no longer exists", uid)
            try:
                await remove_sandboxes(self._context, uid)
            except (RuntimeFailure, NetworkError) as error:
                logger.error("pod %s, which no longer exists, cannot be cleared away: %s", uid, error)
        try:
            await self._context.volumes.clear_orphans(self._workers.keys())
        except OSError as error:
            logger.error("volumes of pods that no longer exist cannot be removed: %s", error)
        root = self._context.log_root
        for directory in root.iterdir() if root.exists() else ():
            if directory.name.rpartition("_")[2] not in self._workers:
                shutil.rmtree(directory, ignore_errors=True)
