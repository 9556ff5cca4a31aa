"""The node lifecycle controller: silent nodes become Unknown, and taints follow conditions."""

from __future__ import annotations

from podyard.api.objects import is_ready
from podyard.api.resources import LEASES, NODES, PODS
from podyard.api.times import to_rfc3339
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client
from podyard.client.controller import run_workers
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.client.workqueue import WorkQueue
from podyard.controllers.endpoints.services import by_node
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object
from podyard.controllers.nodes.health import heartbeat, ready_status, silent_conditions, wanted_taints
from podyard.controllers.tasks import run_together
from podyard.process.clock import Clock

LEASE_NAMESPACE = "kube-node-lease"


class NodeLifecycleController:
    """Judges nodes by their last sign of life, counted from when this process saw it."""

    def __init__(
        self, client: Client, informers: InformerFactory, clock: Clock, grace_seconds: float
    ) -> None:
        self._client = client
        self._clock = clock
        self._grace = grace_seconds
        self._events = EventRecorder(client, "node-controller")
        self._queue: WorkQueue[str] = WorkQueue(clock)
        self._heartbeats: dict[str, tuple[tuple[str, str], float]] = {}  # what it was, and when seen
        self._ready: dict[str, str] = {}  # the Ready condition at the last sync
        self._nodes = informers.informer(NODES)
        self._leases = informers.informer(LEASES, LEASE_NAMESPACE)
        self._pods = informers.informer(PODS)
        self._pods.add_index("node", by_node)
        self._nodes.add_handler(self._node_changed)
        self._leases.add_handler(self._lease_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in (self._nodes, self._leases, self._pods):
            await informer.synced()
        workers = run_workers("node-lifecycle-controller", self._queue, self.sync, workers=2)
        await run_together(self._events.run(), workers)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if old is None:
            text = f"Node {name} event: Registered Node {name} in Controller"
            self._events.event(new or {}, "Normal", "RegisteredNode", text)
        if new is None:
            text = f"Node {name} event: Removing Node {name} from Controller"
            self._events.event(old or {}, "Normal", "RemovingNode", text)
            self._heartbeats.pop(name, None)
            self._ready.pop(name, None)
        if old is None or new is None or ready_status(old) != ready_status(new):
            for node in self._nodes.list():  # whether any node is ready matters to all
                self._queue.add(node["metadata"]["name"])
        else:
            self._queue.add(name)

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._observe(new["metadata"]["name"])

    def _observe(self, name: str) -> float:
        """When the latest sign of life of a node came."""
        node = self._nodes.get("", name)
        if node is None:
            return self._clock.now()
        beat = heartbeat(node, self._leases.get(LEASE_NAMESPACE, name))
        known, since = self._heartbeats.get(name, (None, 0.0))
        if beat != known:
            since = self._clock.now()
            self._heartbeats[name] = (beat, since)
        return since

    async def sync(self, name: str) -> None:
        """Judge one node."""
        node = self._nodes.get("", name)
        if node is None:
            return
        left = self._observe(name) + self._grace - self._clock.now()
        if left > 0:
            self._queue.add_after(name, left)
        elif changed := silent_conditions(node, self._clock.now()):
            node = await self._client.patch(
                NODES,
                name,
                "",
                {"status": {"conditions": changed}},
                content_type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
            await self._nodes.saw(node)
        await self._taint(node)
        await self._follow_readiness(node)

    async def _taint(self, node: Object) -> None:
        some_ready = any(ready_status(other) == "True" for other in self._nodes.list())
        taints = wanted_taints(node, self._clock.now(), evict=some_ready)
        if taints == ((node.get("spec") or {}).get("taints") or []):
            return
        metadata = node["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "spec": {"taints": taints or None},
        }
        await self._nodes.saw(await self._client.patch(NODES, metadata["name"], "", patch))

    async def _follow_readiness(self, node: Object) -> None:
        """Pods of a node that is no longer ready do not serve: say so, for their kubelet may not."""
        name, now_ready = node["metadata"]["name"], ready_status(node)
        lost = self._ready.get(name) == "True" and now_ready != "True"
        if lost:
            text = f"Node {name} status is now: NodeNotReady"
            self._events.event(node, "Normal", "NodeNotReady", text)
        if lost or now_ready == "Unknown":
            for pod in self._pods.by_index("node", name):
                if is_ready(pod):
                    await self._mark_not_ready(pod)
        self._ready[name] = now_ready

    async def _mark_not_ready(self, pod: Object) -> None:
        condition = {
            "type": "Ready",
            "status": "False",
            "lastTransitionTime": to_rfc3339(self._clock.now()),
        }
        metadata = pod["metadata"]
        with ignore_not_found():
            written = await self._client.patch(
                PODS,
                metadata["name"],
                metadata["namespace"],
                {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}},
                content_type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
            self._events.event(pod, "Warning", "NodeNotReady", "Node is not ready")
            await self._pods.saw(written)
