"""The subprocess runtime: a pod is a shim process with ordinary processes below it. See README.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Literal

from podyard.kubelet.runtime import (
    ContainerConfig,
    ContainerEvent,
    ContainerStatus,
    ExecResult,
    NotFound,
    NotRunning,
    PodSandbox,
    PodSandboxConfig,
    RuntimeFailure,
    SandboxState,
    Streams,
    store,
)
from podyard.kubelet.runtime.exec import Collector, open_streams
from podyard.kubelet.runtime.shim_client import Message, ShimClient, connect, launch
from podyard.kubelet.shim import marker

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10.0
KILLED = 137  # 128 + SIGKILL
EventType = Literal["created", "started", "stopped", "deleted"]


class _Sandbox:
    """A sandbox, its shim while it has one, and who waits for what in it."""

    def __init__(self, files: store.SandboxFiles) -> None:
        self.files = files
        self.shim: ShimClient | None = None
        self.gone = asyncio.Event()  # the shim has ended
        self.execs: dict[int, asyncio.Future[int]] = {}
        self.attached: dict[str, list[asyncio.Future[int]]] = {}


class SubprocessRuntime:
    """The ContainerRuntime whose containers are subprocesses of shims; its state is in `root/sandboxes`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sandboxes: dict[str, _Sandbox] = {}
        self._readers: set[asyncio.Queue[ContainerEvent]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Find what an earlier kubelet left and watch it from now on."""
        for files in store.load_sandboxes(self._root):
            sandbox = _Sandbox(files)
            self._sandboxes[files.id] = sandbox
            await self._connect_or_bury(sandbox)
        await self._starts_done()

    async def close(self) -> None:
        """Let go of everything without stopping it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sandbox in self._sandboxes.values():
            if sandbox.shim is not None:
                sandbox.shim.close()
                sandbox.shim = None

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        """Start a shim and wait for its hello (some 30 ms)."""
        files = store.new_sandbox(self._root, secrets.token_hex(32), config, time.time())
        sandbox = _Sandbox(files)
        shim = launch(files.directory, f"{config.namespace}/{config.name}")
        self._adopt(sandbox, shim)
        try:
            await shim.ready()
        except BaseException as error:
            assert shim.process is not None
            shim.process.kill()
            shim.process.wait()
            shim.close()
            complaint = (files.directory / "shim.log").read_text(errors="replace").strip().splitlines()
            shutil.rmtree(files.directory)
            if isinstance(error, RuntimeFailure) and complaint:
                raise RuntimeFailure(f"{error}: {complaint[-1]}") from None
            raise
        self._sandboxes[files.id] = sandbox
        return files.id

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Have the shim kill everything and end."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.shim is None:
            return
        shim = sandbox.shim
        with contextlib.suppress(RuntimeFailure):
            shim.send("shutdown")
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await sandbox.gone.wait()
        except TimeoutError:
            os.kill(shim.pid, 9)
            await sandbox.gone.wait()

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop it if need be, and delete its directory and its containers' logs."""
        await self.stop_pod_sandbox(sandbox_id)
        if sandbox_id not in self._sandboxes:
            return
        sandbox = self._sandboxes[sandbox_id]
        for container_id in list(sandbox.files.containers):
            await self.remove_container(container_id)
        self._sandboxes.pop(sandbox_id, None)
        shutil.rmtree(sandbox.files.directory, ignore_errors=True)

    async def list_pod_sandboxes(self) -> list[PodSandbox]:
        """All of them, oldest first."""
        sandboxes = [
            PodSandbox(
                id=sandbox.files.id,
                state=SandboxState.NOTREADY if sandbox.shim is None else SandboxState.READY,
                config=sandbox.files.config,
                created_at=sandbox.files.created_at,
            )
            for sandbox in self._sandboxes.values()
        ]
        return sorted(sandboxes, key=lambda sandbox: sandbox.created_at)

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Write its configuration where the shim will find it."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            raise NotFound(f"sandbox {sandbox_id} not found")
        container_id = secrets.token_hex(32)
        home = str(Path.home())
        container = store.new_container(sandbox.files, container_id, config, home, time.time())
        sandbox.files.containers[container_id] = container
        self._publish("created", sandbox, container)
        return container_id

    async def start_container(self, container_id: str) -> None:
        """Run it; returns once it runs and serves."""
        sandbox, container = self._find(container_id)
        await self._shim_of(sandbox).request("start", container=container.id)

    async def stop_container(self, container_id: str, timeout: float) -> None:
        """Its stop signal, then SIGKILL for all of it."""
        try:
            sandbox, container = self._find(container_id)
        except NotFound:
            return
        if container.exited or sandbox.shim is None:
            return
        with contextlib.suppress(RuntimeFailure):  # the shim has died: so has the container
            await sandbox.shim.request("stop", container=container.id, timeout=timeout)

    async def remove_container(self, container_id: str) -> None:
        """Delete its directory and its logs."""
        await self.stop_container(container_id, 0)
        try:
            sandbox, container = self._find(container_id)
        except NotFound:
            return
        if sandbox.shim is not None:
            with contextlib.suppress(RuntimeFailure):
                await sandbox.shim.request("remove", container=container.id)
        if sandbox.files.containers.pop(container_id, None) is not None:
            store.remove_logs(Path(container.config["logPath"]))
            shutil.rmtree(container.directory, ignore_errors=True)
            self._publish("deleted", sandbox, container)

    async def list_containers(self) -> list[ContainerStatus]:
        """All of them, in the order they were created."""
        found = [
            store.status_of(sandbox.files, container)
            for sandbox in self._sandboxes.values()
            for container in sandbox.files.containers.values()
        ]
        return sorted(found, key=lambda status: status.created_at)

    async def container_status(self, container_id: str) -> ContainerStatus:
        """One of them."""
        sandbox, container = self._find(container_id)
        return store.status_of(sandbox.files, container)

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Streams:
        """Run a command beside the container's process."""
        streams, _ = await self._exec(container_id, command, stdin=stdin, tty=tty)
        return streams

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run a command to its end, or until its time is up."""
        streams, pid = await self._exec(container_id, command, stdin=False, tty=False)
        collector = Collector()
        try:
            async with asyncio.timeout(timeout):
                return await collector.result(streams)
        except TimeoutError:
            with contextlib.suppress(RuntimeFailure):  # the container has ended, and the command with it
                sandbox, container = self._find_running(container_id)
                await self._shim_of(sandbox).request("kill", container=container.id, pid=pid)
            return await collector.result(streams, timed_out=True)
        finally:
            await streams.aclose()

    async def attach(self, container_id: str, *, stdin: bool) -> Streams:
        """Connect to the container's own streams."""
        sandbox, container = self._find_running(container_id)
        shim = self._shim_of(sandbox)
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def ask(fds: Sequence[int]) -> None:
            await shim.request("attach", fds, container=container.id, stdin=stdin)

        def resize(width: int, height: int) -> None:
            with contextlib.suppress(RuntimeFailure):
                shim.send("resize", container=container.id, width=width, height=height)

        streams = await open_streams(ask, exited, stdin=stdin, tty=False, resize=resize)
        if container.exited:
            exited.set_result(container.state["exitCode"])
        else:
            sandbox.attached.setdefault(container.id, []).append(exited)
        return streams

    def events(self) -> AsyncIterator[ContainerEvent]:
        """Every change from the call on."""
        queue: asyncio.Queue[ContainerEvent] = asyncio.Queue()
        self._readers.add(queue)
        return self._drain(queue)

    async def _drain(self, queue: asyncio.Queue[ContainerEvent]) -> AsyncIterator[ContainerEvent]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._readers.discard(queue)

    async def _exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> tuple[Streams, int]:
        sandbox, container = self._find_running(container_id)
        shim = self._shim_of(sandbox)
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pid = 0

        async def ask(fds: Sequence[int]) -> None:
            nonlocal pid
            number, answer = shim.send("exec", fds, container=container.id, command=list(command), tty=tty)
            sandbox.execs[number] = exited
            try:
                pid = await answer
            except RuntimeFailure:
                sandbox.execs.pop(number, None)
                raise

        return await open_streams(ask, exited, stdin=stdin, tty=tty), pid

    async def _starts_done(self) -> None:
        """Wait for containers that an earlier kubelet was starting: nobody is to start them again."""
        events = self.events()
        while any(
            container.starting
            for sandbox in self._sandboxes.values()
            for container in sandbox.files.containers.values()
        ):
            await anext(events)

    def _find(self, container_id: str) -> tuple[_Sandbox, store.Container]:
        for sandbox in self._sandboxes.values():
            container = sandbox.files.containers.get(container_id)
            if container is not None:
                return sandbox, container
        raise NotFound(f"container {container_id} not found")

    def _find_running(self, container_id: str) -> tuple[_Sandbox, store.Container]:
        sandbox, container = self._find(container_id)
        if container.exited:
            raise NotRunning(f"container {container_id} is not running")
        return sandbox, container

    def _shim_of(self, sandbox: _Sandbox) -> ShimClient:
        if sandbox.shim is None:
            raise NotRunning(f"sandbox {sandbox.files.id} is not ready")
        return sandbox.shim

    def _adopt(self, sandbox: _Sandbox, shim: ShimClient) -> None:
        shim.heard = lambda message: self._heard(sandbox, message)
        shim.closed = lambda: self._later(self._connect_or_bury(sandbox))
        sandbox.shim = shim

    async def _connect_or_bury(self, sandbox: _Sandbox) -> None:
        """At the start, and when a connection ends: is there a shim? What has happened to its containers?"""
        old, shim = sandbox.shim, connect(sandbox.files.directory)
        if shim is not None:
            self._adopt(sandbox, shim)
            with contextlib.suppress(RuntimeFailure):  # it ends just now: `closed` leads here again
                await shim.ready()
                self._reread(sandbox)
            return
        self._bury(sandbox)
        if old is not None and old.process is not None:
            await _reap(old.process)
        sandbox.gone.set()

    def _reread(self, sandbox: _Sandbox) -> None:
        """Take over what the shim has written while nobody was listening."""
        for container in sandbox.files.containers.values():
            before = container.state["state"]
            container.state = store.read_state(container)
            if container.state["state"] == before:
                continue
            if container.exited:
                self._ended(sandbox, container)
            else:
                self._publish("started", sandbox, container)

    def _bury(self, sandbox: _Sandbox) -> None:
        """The shim has ended: nothing of its containers may be left, and what ran was killed."""
        sandbox.shim = None
        self._reread(sandbox)
        for container in sandbox.files.containers.values():
            marker.kill(marker.marker_of(container.id))
            if not container.exited:
                ended = {"state": "exited", "pid": 0, "exitCode": KILLED, "reason": "Error"}
                container.state = {**container.state, **ended, "finishedAt": time.time()}
                container.save_state()
                self._ended(sandbox, container)
        (sandbox.files.directory / "shim.sock").unlink(missing_ok=True)
        for future in sandbox.execs.values():
            _resolve(future, KILLED)
        sandbox.execs.clear()

    def _heard(self, sandbox: _Sandbox, message: Message) -> None:
        if "exec" in message:
            future = sandbox.execs.pop(message["exec"], None)
            if future is not None:
                _resolve(future, message["code"])
            return
        container = sandbox.files.containers.get(message["container"])
        if container is None:
            return
        container.state = message["state"]
        if container.exited:
            self._ended(sandbox, container)
        else:
            self._publish(message["event"], sandbox, container)

    def _ended(self, sandbox: _Sandbox, container: store.Container) -> None:
        for future in sandbox.attached.pop(container.id, ()):
            _resolve(future, container.state["exitCode"])
        self._publish("stopped", sandbox, container)

    def _publish(self, kind: EventType, sandbox: _Sandbox, container: store.Container) -> None:
        status = None if kind == "deleted" else store.status_of(sandbox.files, container)
        event = ContainerEvent(
            type=kind,
            container_id=container.id,
            sandbox_id=sandbox.files.id,
            pod_uid=sandbox.files.config.uid,
            status=status,
        )
        for queue in self._readers:
            queue.put_nowait(event)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def remove_everything(root: Path) -> None:
    """Stop and remove all sandboxes below `root`. No kubelet may be using it."""
    runtime = SubprocessRuntime(root)
    await runtime.start()
    sandboxes = await runtime.list_pod_sandboxes()
    await asyncio.gather(*(runtime.remove_pod_sandbox(sandbox.id) for sandbox in sandboxes))
    await runtime.close()


async def _reap(process: subprocess.Popen[bytes]) -> None:
    """Its connection has ended, so it ends within the moment; leave no zombie."""
    while process.poll() is None:  # noqa: ASYNC110  (nothing tells of it sooner)
        await asyncio.sleep(0.002)


def _resolve(future: asyncio.Future[int], code: int) -> None:
    if not future.done():
        future.set_result(code)
