"""Pod garbage collection: pods that no kubelet will ever finish (pkg/controller/podgc)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podyard.api.errors import StatusError
from podyard.api.resources import NODES, PODS
from podyard.client.client import Client
from podyard.client.factory import InformerFactory
from podyard.controllers.errors import ignore_not_found
from podyard.controllers.meta import Object, created_at, is_terminating
from podyard.controllers.nodes.disruption import disrupt
from podyard.controllers.pods import is_finished
from podyard.process.clock import Clock

PERIOD_SECONDS = 20.0
QUARANTINE_SECONDS = 40.0
"""How long a node must be gone before its pods go: it may be about to register again."""

TERMINATED_THRESHOLD = 12500
"""How many finished pods are kept (--terminated-pod-gc-threshold)."""

logger = logging.getLogger("pod-garbage-collector")


@dataclass(frozen=True, slots=True)
class Doomed:
    """A pod to delete, and why; `reason` is empty when its status need not say so."""

    pod: Object
    reason: str = ""


def plan(
    pods: Iterable[Object],
    gone_nodes: Mapping[str, float],
    now: float,
    threshold: int = TERMINATED_THRESHOLD,
) -> list[Doomed]:
    """The pods to delete. `gone_nodes` says since when each missing node has been missing."""
    doomed: list[Doomed] = []
    finished: list[Object] = []
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if not node:
            if is_terminating(pod):
                doomed.append(Doomed(pod))
        elif node in gone_nodes and now - gone_nodes[node] >= QUARANTINE_SECONDS:
            doomed.append(Doomed(pod, "PodGC: node no longer exists"))
        if is_finished(pod) and not is_terminating(pod):
            finished.append(pod)
    surplus = len(finished) - threshold
    if surplus > 0:
        chosen = {entry.pod["metadata"]["uid"] for entry in doomed}
        oldest = sorted(finished, key=created_at)[:surplus]
        doomed += [Doomed(pod) for pod in oldest if pod["metadata"]["uid"] not in chosen]
    return doomed


class PodGarbageCollector:
    """Looks at all pods from time to time."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self._gone: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        await self._pods.synced()
        await self._nodes.synced()
        while True:
            await self.collect()
            await self._clock.sleep(PERIOD_SECONDS)

    async def collect(self) -> None:
        """One pass."""
        now = self._clock.now()
        pods = self._pods.list()
        names = {pod["spec"].get("nodeName") for pod in pods} - {None, ""}
        missing = {str(name) for name in names if self._nodes.get("", str(name)) is None}
        self._gone = {name: self._gone.get(name, now) for name in missing}
        for entry in plan(pods, self._gone, now):
            try:
                await self._delete(entry, now)
            except StatusError as error:
                logger.debug("%s: %s", entry.pod["metadata"]["name"], error)

    async def _delete(self, entry: Doomed, now: float) -> None:
        pod, metadata = entry.pod, entry.pod["metadata"]
        if entry.reason and not await self._node_is_gone(pod["spec"]["nodeName"]):
            return
        with ignore_not_found():
            if entry.reason and not is_finished(pod):
                await disrupt(self._client, pod, "DeletionByPodGC", entry.reason, now, phase="Failed")
            await self._client.delete(
                PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_period_seconds=0
            )

    async def _node_is_gone(self, name: str) -> bool:
        """Ask the apiserver itself before anything is lost."""
        try:
            await self._client.get(NODES, name)
        except StatusError as error:
            if error.code == 404:
                return True
            raise
        return False
