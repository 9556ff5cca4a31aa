"""Taint eviction: pods leave nodes whose NoExecute taints they do not tolerate (any more)."""

from __future__ import annotations

from podyard.api.resources import NODES, PODS
from podyard.client.client import Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.informer import Key, key_of
from podyard.client.workqueue import WorkQueue
from podyard.controllers.endpoints.services import by_node
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, is_terminating
from podyard.controllers.nodes.disruption import disrupt
from podyard.controllers.nodes.health import evicted_in, no_execute_taints
from podyard.controllers.tasks import run_together
from podyard.process.clock import Clock


class TaintEvictionController:
    """Deletes pods when their time on a tainted node is over."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._events = EventRecorder(client, "taint-eviction-controller")
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index("node", by_node)
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._nodes.synced()
        await self._pods.synced()
        workers = run_workers("taint-eviction-controller", self._queue, self.sync)
        await run_together(self._events.run(), workers)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and no_execute_taints(new) != no_execute_taints(old):
            for pod in self._pods.by_index("node", new["metadata"]["name"]):
                self._queue.add(key_of(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and old["spec"] == new["spec"]):
            return
        if no_execute_taints(self._nodes.get("", new["spec"].get("nodeName", ""))):
            self._queue.add(key_of(new))

    async def sync(self, key: Key) -> None:
        """Delete one pod if it has to go, or look again when it will have to."""
        pod = self._pods.get(*key)
        if pod is None or is_terminating(pod):
            return
        taints = no_execute_taints(self._nodes.get("", pod["spec"].get("nodeName", "")))
        wait = evicted_in(pod, taints, self._clock.now())
        if wait is None:
            return
        if wait > 0:
            self._queue.add_after(key, wait)
            return
        self._events.event(
            pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key[0]}/{key[1]}"
        )
        with ignore_not_found():
            message = "Taint manager: deleting due to NoExecute taint"
            await disrupt(self._client, pod, "DeletionByTaintManager", message, self._clock.now())
            await self._client.delete(PODS, key[1], key[0], uid=pod["metadata"]["uid"])
        await self._pods.saw_deletion(pod)
