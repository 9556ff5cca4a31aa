"""What the kubelet knows of its shims: finds them, hears from them, buries them, and tells the news."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Literal

from podyard.kubelet.runtime import ContainerEvent, NotFound, NotRunning, RuntimeFailure, store
from podyard.kubelet.runtime.shim_client import Message, ShimClient, connect
from podyard.kubelet.shim import marker

logger = logging.getLogger("kubelet.runtime")

KILLED = 137  # 128 + SIGKILL
SHUTDOWN_SECONDS = 10.0
LAST_SECONDS = 1.0
EventType = Literal["created", "started", "stopped", "deleted"]


class Sandbox:
    """A sandbox, its shim while it has one, and who waits for what in it."""

    def __init__(self, files: store.SandboxFiles) -> None:
        self.files = files
        self.shim: ShimClient | None = None
        self.gone = asyncio.Event()  # the shim has ended
        self.execs: dict[int, asyncio.Future[int]] = {}  # by the request's number
        self.attached: dict[str, list[asyncio.Future[int]]] = {}  # by container

    def ready_shim(self) -> ShimClient:
        """The shim. Raises NotRunning when there is none any more."""
        if self.shim is None:
            raise NotRunning(f"sandbox {self.files.id} is not ready")
        return self.shim


class Supervisor:
    """All sandboxes below `root`."""

    def __init__(self, root: Path) -> None:
        self.sandboxes: dict[str, Sandbox] = {}
        self._root = root
        self._readers: weakref.WeakSet[asyncio.Queue[ContainerEvent]] = weakref.WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Find what an earlier kubelet left and watch it from now on."""
        found, unreadable = store.load_sandboxes(self._root)
        for directory in unreadable:
            logger.warning("%s cannot be read, so what runs of it is ended", directory)
            await discard(directory)
        for files in found:
            sandbox = Sandbox(files)
            self.sandboxes[files.id] = sandbox
            await self._connect_or_bury(sandbox)
        await self._starts_done()

    async def close(self) -> None:
        """Let go of everything without stopping it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sandbox in self.sandboxes.values():
            if sandbox.shim is not None:
                sandbox.shim.close()
                sandbox.shim = None

    def adopt(self, sandbox: Sandbox, shim: ShimClient) -> None:
        """Listen to a shim from now on."""
        shim.heard = lambda message: self._heard(sandbox, message)
        shim.closed = lambda: self._later(self._connect_or_bury(sandbox))
        sandbox.shim = shim

    def find(self, container_id: str) -> tuple[Sandbox, store.Container]:
        """A container and its sandbox. Raises NotFound."""
        for sandbox in self.sandboxes.values():
            container = sandbox.files.containers.get(container_id)
            if container is not None:
                return sandbox, container
        raise NotFound(f"container {container_id} not found")

    def find_running(self, container_id: str) -> tuple[Sandbox, store.Container]:
        """As `find`. Raises NotRunning for one that has ended."""
        sandbox, container = self.find(container_id)
        if container.exited:
            raise NotRunning(f"container {container_id} is not running")
        return sandbox, container

    def events(self) -> AsyncIterator[ContainerEvent]:
        """Every change from the call on."""
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self._readers.add(queue)
        return self._drain(queue)

    def publish(self, kind: EventType, sandbox: Sandbox, container: store.Container) -> None:
        """Tell all readers."""
        event = ContainerEvent(
            type=kind,
            container_id=container.id,
            sandbox_id=sandbox.files.id,
            pod_uid=sandbox.files.config.uid,
            status=None if kind == "deleted" else store.status_of(sandbox.files, container),
        )
        for queue in self._readers:
            queue.put_nowait(event)

    async def _drain(self, queue: asyncio.Queue[ContainerEvent]) -> AsyncIterator[ContainerEvent]:
        while True:
            yield await queue.get()

    async def _starts_done(self) -> None:
        """Wait for containers that an earlier kubelet was starting: nobody is to start them again."""
        events = self.events()
        while any(
            container.starting
            for sandbox in self.sandboxes.values()
            for container in sandbox.files.containers.values()
        ):
            await anext(events)

    async def _connect_or_bury(self, sandbox: Sandbox) -> None:
        """At the start, and when a connection ends: is there a shim? What has happened to its containers?"""
        old, shim = sandbox.shim, connect(sandbox.files.directory)
        if shim is not None:
            self.adopt(sandbox, shim)
            with contextlib.suppress(RuntimeFailure):  # it ends just now: `closed` leads here again
                await shim.ready()
                self._reread(sandbox)
            return
        self._bury(sandbox)
        if old is not None and old.process is not None:
            await _reap(old.process)
        sandbox.gone.set()

    def _reread(self, sandbox: Sandbox) -> None:
        """Take over what the shim has written while nobody was listening."""
        for container in sandbox.files.containers.values():
            before = container.state["state"]
            container.state = store.read_state(container)
            if container.state["state"] != before:
                self._changed(sandbox, container)

    def _bury(self, sandbox: Sandbox) -> None:
        """The shim has ended: nothing of its containers may be left, and what ran was killed.

        On a disk that is full or read-only this cannot be written down; the next kubelet finds it out anew.
        """
        sandbox.shim = None
        self._reread(sandbox)
        for container in sandbox.files.containers.values():
            marker.kill(marker.marker_of(container.id))
            if not container.exited:
                ended = {"state": "exited", "pid": 0, "exitCode": KILLED, "reason": "Error"}
                container.state = {**container.state, **ended, "finishedAt": time.time()}
                with contextlib.suppress(OSError):
                    container.save_state()
                self._changed(sandbox, container)
        with contextlib.suppress(OSError):
            (sandbox.files.directory / "shim.sock").unlink(missing_ok=True)
        for future in sandbox.execs.values():
            _resolve(future, KILLED)
        sandbox.execs.clear()

    def _heard(self, sandbox: Sandbox, message: Message) -> None:
        if "exec" in message:
            future = sandbox.execs.pop(message["exec"], None)
            if future is not None:
                _resolve(future, message["code"])
            return
        container = sandbox.files.containers.get(message["container"])
        if container is not None:
            before = container.state["state"]
            container.state = message["state"]
            if container.state["state"] != before:
                self._changed(sandbox, container)

    def _changed(self, sandbox: Sandbox, container: store.Container) -> None:
        if container.exited:
            for future in sandbox.attached.pop(container.id, ()):
                _resolve(future, container.state["exitCode"])
        self.publish("stopped" if container.exited else "started", sandbox, container)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def discard(directory: Path) -> None:
    """Remove a sandbox or container that cannot be read, and end all that still runs of it."""
    shim = connect(directory)
    if shim is not None:
        await _shut_down(shim)
    ids = [directory.name, *(entry.name for entry in directory.glob("containers/*"))]
    marks = [marker.marker_of(one) for one in ids if re.fullmatch("[0-9a-f]{15,}", one)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while sum(marker.kill(mark) for mark in marks):  # noqa: ASYNC110  (nothing tells of their end)
                await asyncio.sleep(0.005)
    shutil.rmtree(directory, ignore_errors=True)


async def _shut_down(shim: ShimClient) -> None:
    """Have a shim that is nobody's kill everything and end."""
    gone = asyncio.Event()
    shim.closed = gone.set
    try:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await shim.ready()
            shim.send("shutdown")
            await gone.wait()
    except RuntimeFailure:
        return  # it has ended by itself
    except TimeoutError:
        if shim.pid:
            os.kill(shim.pid, signal.SIGKILL)
    finally:
        shim.close()


async def _reap(process: subprocess.Popen[bytes]) -> None:
    """Its connection has ended, so it ends within the moment; leave no zombie."""
    while process.poll() is None:  # noqa: ASYNC110  (nothing tells of it sooner)
        await asyncio.sleep(0.002)


def _resolve(future: asyncio.Future[int], code: int) -> None:
    if not future.done():
        future.set_result(code)
