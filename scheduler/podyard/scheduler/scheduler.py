"""The scheduler: takes pods without a node, decides, and binds them.

Deciding is `podyard.scheduler.decide`; here are the informers' handlers, the queue's loop and the
calls to the apiserver. A binding runs beside the next decisions, which count its pod already.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import Counter, Gauge

from podyard.api import selectors
from podyard.api.errors import StatusError
from podyard.api.objects import find_condition
from podyard.api.resources import NAMESPACES, NODES, PODS, REPLICASETS, REPLICATIONCONTROLLERS, SERVICES
from podyard.api.times import to_rfc3339
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client, Object
from podyard.client.events import EventRecorder
from podyard.client.factory import InformerFactory
from podyard.process.clock import Clock, RealClock
from podyard.scheduler.cache import Cache
from podyard.scheduler.decide import decide
from podyard.scheduler.nodes import Cluster
from podyard.scheduler.queue import SchedulingQueue

logger = logging.getLogger("default-scheduler")

NAME = "default-scheduler"

ATTEMPTS = Counter("scheduler_schedule_attempts_total", "Decisions about pods, by result.", ["result"])
PENDING = Gauge("scheduler_pending_pods", "Pods that wait for a node, by queue.", ["queue"])

RETRY_ALL_SECONDS = 300.0
"""How often pods that no node can take are tried again without any reason."""


class Scheduler:
    """Schedules the pods whose schedulerName is "default-scheduler"."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._events = EventRecorder(client, NAME)
        self._queue = SchedulingQueue(clock)
        self._cache = Cache()
        for state in ("active", "backoff", "unschedulable"):
            PENDING.labels(state).set_function(partial(self._queue.count, state))
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self._services = informers.informer(SERVICES)
        self._namespaces = informers.informer(NAMESPACES)
        self._sets = {r.kind: informers.informer(r) for r in (REPLICASETS, REPLICATIONCONTROLLERS)}
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in (self._pods, self._nodes, self._services, self._namespaces, *self._sets.values()):
            await informer.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self._retry_all())
            while True:
                pod = await self._queue.pop()
                self._schedule(pod, group)

    async def _retry_all(self) -> None:
        while True:
            await self._clock.sleep(RETRY_ALL_SECONDS)
            self._queue.cluster_changed()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if old and new and _node_facts(old) == _node_facts(new):
            return
        self._cache.set_node(name, new)
        self._queue.cluster_changed()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        uid = pod["metadata"]["uid"]
        if old and new and old["metadata"]["uid"] != uid:
            self._pod_changed(old, None)
        if new is None or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            self._queue.remove(uid)
            self._cache.remove(uid)
            self._queue.cluster_changed()
        elif new["spec"].get("nodeName"):
            self._queue.remove(uid)
            self._cache.put(new)
            if old is None or _pod_facts(old) != _pod_facts(new):
                self._queue.cluster_changed()
        elif _is_ours(new) and not self._cache.is_assumed(uid):
            self._queue.add(new)
        elif "deletionTimestamp" in new["metadata"]:
            self._queue.remove(uid)

    def _schedule(self, pod: Object, group: asyncio.TaskGroup) -> None:
        try:
            decision = decide(pod, self._cluster(), self._rng)
        except Exception:
            logger.exception("scheduling of %s/%s", pod["metadata"]["namespace"], pod["metadata"]["name"])
            self._queue.retry(pod["metadata"]["uid"])
            ATTEMPTS.labels("error").inc()
            return
        ATTEMPTS.labels("scheduled" if decision.node else "unschedulable").inc()
        if decision.node:
            self._cache.assume(pod, decision.node)
            group.create_task(self._bind(pod, decision.node))
        else:
            self._queue.failed(pod["metadata"]["uid"])
            group.create_task(self._report(pod, decision.message))

    def _cluster(self) -> Cluster:
        return Cluster(self._cache.nodes(), self._namespace_labels, self._spread_selectors)

    def _namespace_labels(self, name: str) -> dict[str, str]:
        namespace = self._namespaces.get("", name)
        return (namespace["metadata"].get("labels") or {}) if namespace else {}

    def _spread_selectors(self, pod: Object) -> list[Callable[[dict[str, str]], bool]]:
        """Those of the Services that select the pod, and of its controller (helper.DefaultSelector)."""
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        found: list[Callable[[dict[str, str]], bool]] = []
        for service in self._services.list(metadata["namespace"]):
            selector = selectors.from_map(service["spec"].get("selector"))
            if not selector.empty and selector.matches(labels):
                found.append(selector.matches)
        for reference in metadata.get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] in self._sets:
                owner = self._sets[reference["kind"]].get(metadata["namespace"], reference["name"])
                found.append(_owner_selector(owner, labels).matches)
        return found

    async def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create(
                PODS, binding, metadata["namespace"], name=metadata["name"], subresource="binding"
            )
        except StatusError as error:
            logger.info("binding of %s/%s: %s", metadata["namespace"], metadata["name"], error)
            self._cache.forget(metadata["uid"])
            self._queue.retry(metadata["uid"])
            return
        self._queue.remove(metadata["uid"])
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self._events.event(pod, "Normal", "Scheduled", message)

    async def _report(self, pod: Object, message: str) -> None:
        """Tell users why the pod waits: an Event, and its PodScheduled condition."""
        self._events.event(pod, "Warning", "FailedScheduling", message)
        metadata = pod["metadata"]
        old = find_condition((pod.get("status") or {}).get("conditions"), "PodScheduled") or {}
        if (old.get("status"), old.get("reason"), old.get("message")) == ("False", "Unschedulable", message):
            return
        since = old.get("lastTransitionTime") if old.get("status") == "False" else None
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": since or to_rfc3339(self._clock.now()),
        }
        try:
            await self._client.patch(
                PODS,
                metadata["name"],
                metadata["namespace"],
                {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}},
                content_type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
        except StatusError as error:
            logger.debug("condition of %s/%s: %s", metadata["namespace"], metadata["name"], error)


def _owner_selector(owner: Object | None, labels: dict[str, str]) -> selectors.LabelSelector:
    """The controller's selector; the pod's own labels while the controller is not known yet."""
    if owner is None:
        return selectors.from_map(labels)
    if owner["kind"] == "ReplicationController":
        return selectors.from_map(owner["spec"].get("selector"))
    return selectors.from_label_selector(owner["spec"].get("selector"))


def _is_ours(pod: Object) -> bool:
    return (
        pod["spec"].get("schedulerName", NAME) == NAME
        and not pod["spec"].get("schedulingGates")
        and "deletionTimestamp" not in pod["metadata"]
    )


def _node_facts(node: Object) -> Any:
    """What filters and scores look at."""
    spec = node.get("spec") or {}
    allocatable = (node.get("status") or {}).get("allocatable")
    return node["metadata"].get("labels"), spec.get("taints"), spec.get("unschedulable"), allocatable


def _pod_facts(pod: Object) -> Any:
    """What others may be waiting for."""
    metadata = pod["metadata"]
    return metadata.get("labels"), pod["spec"].get("nodeName"), "deletionTimestamp" in metadata


async def run_scheduler(
    client: Client,
    informers: InformerFactory,
    clock: Clock | None = None,
    rng: random.Random | None = None,
) -> None:
    """Run the scheduler until cancelled. `rng` decides between nodes that are equally good."""
    await Scheduler(client, informers, clock or RealClock(), rng or random.Random()).run()
