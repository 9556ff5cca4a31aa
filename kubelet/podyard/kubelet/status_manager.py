"""Tells the apiserver how pods are (pkg/kubelet/status): the latest status wins, none is lost.

What another says of a pod meanwhile does not last: the node controller calls pods unready whose node is
silent, and a node that was cut off says otherwise when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.objects import is_ready
from podyard.api.resources import PODS
from podyard.client.client import STRATEGIC_MERGE_PATCH, Client
from podyard.client.controller import run_workers
from podyard.client.workqueue import WorkQueue
from podyard.kubelet.conditions import OWN_CONDITIONS
from podyard.kubelet.spec import TERMINAL_PHASES
from podyard.process.clock import Clock

Object = dict[str, Any]

OWN_FIELDS = ("reason", "message")
"""Fields that disappear from the status when the kubelet says nothing of them any more."""

ADDRESS_LISTS = ("podIPs", "hostIPs")
"""Lists that would be merged by address, so that a pod's earlier address stayed in them."""

UNEVENTFUL = (None, "ContainerCreating", "PodInitializing")

GATHER_SECONDS = 0.05
"""How long small steps, such as that a sandbox is there, wait to be told together with the next."""


class StatusManager:
    """Sends each pod's newest status; while the apiserver is away it is kept and sent afterwards."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._queue: WorkQueue[str] = WorkQueue(clock)
        self._wanted: dict[str, tuple[Object, Object]] = {}  # uid → (pod, status)
        self._sent: dict[str, Object] = {}
        self._versions: dict[str, int] = {}  # uid → the pod's resourceVersion with the status that was sent
        self._on_sent: dict[str, Callable[[], None]] = {}

    def set(self, pod: Object, status: Object, *, sent: Callable[[], None] | None = None) -> None:
        """This is how the pod is now. `sent` is called once the apiserver has this status."""
        uid = pod["metadata"]["uid"]
        self._wanted[uid] = (pod, status)
        if sent is not None:
            self._on_sent[uid] = sent
        before = self._sent.get(uid)
        if before == status:
            self._confirm(uid)
        elif is_urgent(before, status):
            self._queue.add(uid)
        else:
            self._queue.add_after(uid, GATHER_SECONDS)

    def saw(self, pod: Object) -> None:
        """The pod as the apiserver has it: if another has changed its conditions, they are told again."""
        metadata, status = pod["metadata"], pod.get("status") or {}
        uid = metadata["uid"]
        sent = self._sent.get(uid)
        if sent is None or status.get("phase") in TERMINAL_PHASES:
            return
        is_later = int(metadata["resourceVersion"]) > self._versions[uid]
        if is_later and _own_conditions(status) != _own_conditions(sent):
            del self._sent[uid]
            self._queue.add(uid)

    def get(self, uid: str) -> Object | None:
        """The newest status of a pod, sent or not."""
        wanted = self._wanted.get(uid)
        return wanted[1] if wanted else None

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for memory in (self._wanted, self._sent, self._versions, self._on_sent):
            memory.pop(uid, None)

    async def run(self) -> None:
        """Send, until cancelled."""
        await run_workers("kubelet.status", self._queue, self._sync, workers=4)

    async def _sync(self, uid: str) -> None:
        if uid not in self._wanted:
            return
        pod, status = self._wanted[uid]
        if self._sent.get(uid) != status:
            version = await self._send(pod, status)
            if version is not None and uid in self._wanted:
                self._sent[uid], self._versions[uid] = status, version
        if uid in self._wanted and self._wanted[uid][1] == status:
            self._confirm(uid)

    async def _send(self, pod: Object, status: Object) -> int | None:
        """The pod's resourceVersion with this status; None when the pod is gone."""
        metadata = pod["metadata"]
        try:
            written = await self._client.patch(
                PODS,
                metadata["name"],
                metadata["namespace"],
                status_patch(pod, status),
                content_type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
        except StatusError as error:
            if error.code == 404 or (error.code == 409 and await self._is_gone(pod)):
                return None
            raise
        return int(written["metadata"]["resourceVersion"])

    async def _is_gone(self, pod: Object) -> bool:
        metadata = pod["metadata"]
        try:
            found = await self._client.get(PODS, metadata["name"], metadata["namespace"])
        except StatusError as error:
            if error.code == 404:
                return True
            raise
        return bool(found["metadata"]["uid"] != metadata["uid"])

    def _confirm(self, uid: str) -> None:
        if callback := self._on_sent.pop(uid, None):
            callback()


def _own_conditions(status: Object) -> dict[str, str]:
    return {
        one["type"]: one["status"] for one in status.get("conditions") or () if one["type"] in OWN_CONDITIONS
    }


def is_urgent(before: Object | None, status: Object) -> bool:
    """Whether others act on what has changed: the pod's phase, its readiness, why it waits."""
    return _news(before or {"phase": "Pending"}) != _news(status)


def _news(status: Object) -> tuple[Any, ...]:
    waiting = {
        container["name"]: reason
        for container in status.get("containerStatuses") or ()
        if (reason := container["state"].get("waiting", {}).get("reason")) not in UNEVENTFUL
    }
    return status["phase"], is_ready({"status": status}), waiting


def status_patch(pod: Object, status: Object) -> Object:
    """A strategic merge patch to `status` that meets this very pod only and drops what no longer holds."""
    old = pod.get("status") or {}
    dropped = {key: None for key in OWN_FIELDS if key in old and key not in status}
    keyed = {
        "conditions": [{"reason": None, "message": None, **one} for one in status.get("conditions") or ()]
    }
    for key in ADDRESS_LISTS:
        if addresses := status.get(key):
            keyed[key] = [*addresses, {"$patch": "replace"}]
    merged = {key: value for key, value in keyed.items() if key in status}
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {**status, **dropped, **merged}}
