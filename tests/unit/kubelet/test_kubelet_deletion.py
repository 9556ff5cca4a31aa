"""Pods that are deleted while they are being started: nothing is started any more, on a real kubelet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podyard.api.resources import PODS
from podyard.kubelet import tasks
from podyard.kubelet.images import Image
from podyard.kubelet.images.catalog import ImageCatalog
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.pod_worker import PodWorker
from podyard.kubelet.runtime.subprocess import SubprocessRuntime
from tests.unit.kubelet.kubelet_harness import Cluster, container_status, phase, running_cluster

Object = dict[str, Any]

HOLD = "example.com/hold"
LOST = {
    "exitCode": 137,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


class Gate:
    """What a pod's start waits at, until the kubelet knows that the pod is deleted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached: list[str] = []
        self.events: set[str] = set()
        self._arrived = asyncio.Event()
        self._open = asyncio.Event()
        update = PodWorker.update

        def open_once_deleted(worker: PodWorker, pod: Object) -> None:
            update(worker, pod)
            if "deletionTimestamp" in pod["metadata"]:
                self._open.set()

        def note(events: PodEvents, type_: str, reason: str, message: str, container: str) -> None:
            self.events.add(reason)

        monkeypatch.setattr(PodWorker, "update", open_once_deleted)
        monkeypatch.setattr(PodEvents, "_record", note)

    async def wait(self, who: str) -> None:
        """Go on when the pod is deleted."""
        self.reached.append(who)
        self._arrived.set()
        await self._open.wait()

    async def deleted_meanwhile(self, cluster: Cluster, *containers: Object, **spec: Any) -> Object:
        """How a pod has ended that is deleted when the first has reached the gate."""
        await cluster.create("hasty", *containers, terminationGracePeriodSeconds=30, **spec)
        # Its object has to stay until it has been looked at.
        await cluster.client.patch(PODS, "hasty", "default", {"metadata": {"finalizers": [HOLD]}})
        await self._arrived.wait()
        await cluster.client.delete(PODS, "hasty", "default")
        pod = await cluster.until("hasty", lambda pod: phase(pod) in ("Failed", "Succeeded"))
        await cluster.client.patch(PODS, "hasty", "default", {"metadata": {"finalizers": []}})
        await cluster.until_gone("hasty")
        return pod


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def nginx(name: str = "main", **fields: Any) -> Object:
    """A container that ends with exit code 0, whenever it is told to."""
    return {"name": name, "image": "nginx", **fields}


def end(pod: Object, name: str = "main") -> Object:
    """How a container has ended."""
    return dict(container_status(pod, name)["state"]["terminated"])


async def test_nothing_is_started_after_a_start_under_way(
    cluster: Cluster, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = SubprocessRuntime.start_container

    async def start_late(runtime: SubprocessRuntime, container_id: str) -> None:
        await gate.wait((await runtime.container_status(container_id)).name)
        await start(runtime, container_id)

    monkeypatch.setattr(SubprocessRuntime, "start_container", start_late)
    pod = await gate.deleted_meanwhile(
        cluster, nginx(), initContainers=[nginx("side", restartPolicy="Always")]
    )
    assert gate.reached == ["side"]
    assert (end(pod, "side")["exitCode"], end(pod, "side")["reason"]) == (0, "Completed")
    assert end(pod) == LOST
    assert gate.events == {"Pulling", "Pulled", "Created", "Started", "Killing"}


async def test_a_container_that_never_ran_has_no_end(
    cluster: Cluster, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hook nor Event."""

    async def never_start(runtime: SubprocessRuntime, container_id: str) -> None:
        await gate.wait(container_id)
        await asyncio.Event().wait()

    monkeypatch.setattr(tasks, "LAST_SECONDS", 0.01)
    monkeypatch.setattr(SubprocessRuntime, "start_container", never_start)
    hook = {"preStop": {"exec": {"command": ["true"]}}}
    pod = await gate.deleted_meanwhile(cluster, nginx(lifecycle=hook))
    assert end(pod) == LOST
    assert gate.events == {"Pulling", "Pulled", "Created"}


async def test_nothing_is_made_of_an_image_that_comes_too_late(
    cluster: Cluster, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = ImageCatalog.pull_image

    async def pull_late(catalog: ImageCatalog, reference: str) -> Image:
        await gate.wait(reference)
        return await pull(catalog, reference)

    monkeypatch.setattr(ImageCatalog, "pull_image", pull_late)
    pod = await gate.deleted_meanwhile(cluster, nginx())
    assert end(pod) == LOST
    assert gate.events == set()
