"""The end of a pod, step by step: kill, last status, clear away, delete."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.objects import is_ready
from podyard.api.resources import PODS
from podyard.kubelet.killing import kill_all
from podyard.kubelet.observed import observe
from podyard.kubelet.pod_context import PodContext
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.runtime import ContainerState
from podyard.kubelet.sandboxes import remove_sandboxes, stop_sandboxes
from podyard.kubelet.tasks import Tasks

Object = dict[str, Any]

RETRY_SECONDS = 1.0

NEWS_SECONDS = 0.3
"""How long a ready pod that is being deleted goes on before its containers are told to stop.

Its deletion reaches the proxies by way of its Services' EndpointSlices. A server that stops listening
sooner than that resets whoever is in its accept queue, however gracefully it means to end. This is
part of the grace period. It goes by in steps: a machine that stands still, and the news with it, takes
one of them, and a busy one makes each longer.
"""
NEWS_STEPS = 10

logger = logging.getLogger("kubelet")


@dataclass(frozen=True, slots=True)
class Ending:
    """A pod is to end: within how many seconds, and in which phase and why when that is settled."""

    grace: float
    phase: str = ""
    reason: str = ""
    message: str = ""


class EndingSteps:
    """Takes a pod from running to gone; `advance` is called at every change and never waits.

    1. `stopped`: its containers have ended, its sandbox is stopped, its address is free, its volumes gone.
    2. `final_status` has been computed by the worker, and the apiserver has it.
    3. If the pod is being deleted: nothing of it is left on the node, and its object is deleted.
    4. `done`: its object is gone.
    """

    def __init__(self, context: PodContext, wanted: Ending, wake: Callable[[], None]) -> None:
        self.wanted = wanted
        self.stopped = False
        self.done = False
        self.final_status: Object | None = None
        self._context = context
        self._wake = wake
        self._grace = wanted.grace
        self._hastened = False
        self._killing = False
        self._status_sent = False
        self._removed = False
        self._deleted = False
        self._began = False

    def status_sent(self) -> None:
        """The apiserver has the final status, or has no such pod any more."""
        if not self._status_sent:
            self._status_sent = True
            self._wake()

    def hasten(self, grace: float) -> None:
        """The pod is now to end within `grace` seconds, if that is sooner than before."""
        if grace < self._grace:
            self._grace = grace
            self._hastened = True

    async def advance(self, pod: Object, tasks: Tasks, events: PodEvents, *, gone: bool) -> None:
        """Begin the next step if the one before is done."""
        uid = pod["metadata"]["uid"]
        if not self._began:
            self._began = True
            await tasks.cancel()
            tasks.start("pod end", self._until_done(self._stop, pod, events))
        elif self._hastened and not self.stopped:
            self._hastened = False
            await tasks.cancel()
            tasks.start("pod end", self._until_done(self._stop, pod, events))
        if tasks.names() or not self.stopped:
            return
        if gone:
            if not self._removed:
                tasks.start("pod removal", self._until_done(self._remove, uid))
            else:
                self.done = True
        elif self._status_sent and pod["metadata"].get("deletionTimestamp"):
            if not self._removed:
                tasks.start("pod removal", self._until_done(self._remove, uid))
            elif not self._deleted:
                tasks.start("pod deletion", self._delete(pod))

    async def _until_done(self, step: Callable[..., Awaitable[None]], *about: Any) -> None:
        """Take a step, again and again until it succeeds: the disk may be full that it is to free."""
        while True:
            try:
                return await step(*about)
            except Exception:
                logger.exception("the end of a pod is tried again")
                await self._context.clock.sleep(RETRY_SECONDS)

    async def _stop(self, pod: Object, events: PodEvents) -> None:
        uid = pod["metadata"]["uid"]
        if not self._killing and self._grace > NEWS_SECONDS and _is_ready_and_deleted(pod):
            for _ in range(NEWS_STEPS):
                await self._context.clock.sleep(NEWS_SECONDS / NEWS_STEPS)
            self._grace -= NEWS_SECONDS
        again, self._killing = self._killing, True
        runtime = self._context.runtime
        observed = observe(uid, await runtime.list_pod_sandboxes(), await runtime.list_containers())
        await kill_all(self._context, pod, observed.running(), self._grace, events, again=again)
        for status in await runtime.list_containers():
            if status.pod_uid == uid and status.state == ContainerState.CREATED:
                await runtime.remove_container(status.id)  # it never ran, and has no exit code
        await stop_sandboxes(self._context, uid)
        try:
            await self._context.volumes.tear_down(uid)
        except OSError as error:  # the next kubelet tries again
            logger.error("volumes of pod %s cannot be removed: %s", pod["metadata"]["name"], error)
        self.stopped = True

    async def _remove(self, uid: str) -> None:
        await remove_sandboxes(self._context, uid)
        self._removed = True

    async def _delete(self, pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await self._context.client.delete(
                PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], grace_period_seconds=0
            )
        except StatusError as error:
            if error.code not in (404, 409):
                logger.debug("delete of pod %s: %s", metadata["name"], error)
                await self._context.clock.sleep(RETRY_SECONDS)
                return
        self._deleted = True


def _is_ready_and_deleted(pod: Object) -> bool:
    return is_ready(pod) and "deletionTimestamp" in pod["metadata"]
