"""The subprocess runtime: a pod is a shim process with ordinary processes below it. See README.md."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from podyard.kubelet.runtime import (
    ContainerConfig,
    ContainerEvent,
    ContainerStatus,
    ExecResult,
    Features,
    NamespaceMode,
    NotFound,
    PodSandbox,
    PodSandboxConfig,
    RuntimeFailure,
    SandboxState,
    Streams,
    store,
)
from podyard.kubelet.runtime.exec import Collector, open_streams
from podyard.kubelet.runtime.features import probe_features
from podyard.kubelet.runtime.shim_client import launch
from podyard.kubelet.runtime.supervisor import SHUTDOWN_SECONDS, Sandbox, Supervisor

Connect = Callable[[str, int], Awaitable[None]]
"""Gives the pod of this uid its address, in the namespaces of this process. Raises RuntimeFailure."""


async def _no_network(pod_uid: str, pid: int) -> None:
    raise RuntimeFailure("this runtime has no network for pods")


class SubprocessRuntime:
    """The ContainerRuntime whose containers are subprocesses of shims; its state is in `root/sandboxes`.

    `connect` is asked for pods that have a network of their own.
    """

    def __init__(
        self,
        root: Path,
        probe: Callable[[Path], Features] = probe_features,
        connect: Connect = _no_network,
    ) -> None:
        self._root = root
        self._connect = connect
        self._supervisor = Supervisor(root)
        self._probe = probe
        self._features: asyncio.Task[Features] | None = None

    async def start(self) -> None:
        """Find what an earlier kubelet left and watch it from now on.

        Only the kubelet's user gets into `root/sandboxes`: containers' environments have Secrets in them.
        """
        sandboxes = self._root / "sandboxes"
        sandboxes.mkdir(parents=True, exist_ok=True)
        if sandboxes.stat().st_mode & 0o777 != 0o700:  # else it would fail on a disk that is read-only now
            sandboxes.chmod(0o700)
        await self._supervisor.start()

    async def features(self) -> Features:
        """What isolation new pods get; found out (in some 40 ms) when it is first asked for."""
        if self._features is None:
            self._features = asyncio.create_task(asyncio.to_thread(self._probe, self._root))
        return await asyncio.shield(self._features)

    async def close(self) -> None:
        """Let go of everything without stopping it."""
        if self._features is not None:
            await asyncio.wait([self._features])
        await self._supervisor.close()

    async def run_pod_sandbox(self, config: PodSandboxConfig) -> str:
        """Start a shim and wait for its hello (some 30 ms)."""
        features = await self.features()
        try:
            files = store.new_sandbox(self._root, secrets.token_hex(32), config, features, time.time())
            shim = launch(files.directory, f"{config.namespace}/{config.name}")
        except OSError as error:  # a half-made directory goes at the next start
            raise RuntimeFailure(f"cannot make the sandbox: {error}") from None
        sandbox = Sandbox(files)
        self._supervisor.adopt(sandbox, shim)
        try:
            await shim.ready()
            if config.network == NamespaceMode.POD:
                await self._connect(config.uid, shim.pid)
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
        self._supervisor.sandboxes[files.id] = sandbox
        return files.id

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Have the shim kill everything and end."""
        sandbox = self._supervisor.sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.shim is None:
            return
        shim = sandbox.shim
        with contextlib.suppress(RuntimeFailure):
            shim.send("shutdown")
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await sandbox.gone.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim.pid, 9)
            await sandbox.gone.wait()

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop it if need be, and delete its directory and its containers' logs."""
        await self.stop_pod_sandbox(sandbox_id)
        if sandbox_id not in self._supervisor.sandboxes:
            return
        sandbox = self._supervisor.sandboxes[sandbox_id]
        for container_id in list(sandbox.files.containers):
            await self.remove_container(container_id)
        self._supervisor.sandboxes.pop(sandbox_id, None)
        shutil.rmtree(sandbox.files.directory, ignore_errors=True)

    async def list_pod_sandboxes(self) -> list[PodSandbox]:
        """All of them, oldest first."""
        sandboxes = [
            PodSandbox(
                id=sandbox.files.id,
                state=SandboxState.NOTREADY if sandbox.shim is None else SandboxState.READY,
                config=sandbox.files.config,
                created_at=sandbox.files.created_at,
                pid=0 if sandbox.shim is None else sandbox.shim.pid,
            )
            for sandbox in self._supervisor.sandboxes.values()
        ]
        return sorted(sandboxes, key=lambda sandbox: sandbox.created_at)

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Write its configuration where the shim will find it."""
        sandbox = self._supervisor.sandboxes.get(sandbox_id)
        if sandbox is None:
            raise NotFound(f"sandbox {sandbox_id} not found")
        container_id = secrets.token_hex(32)
        home = str(Path.home())
        try:
            container = store.new_container(sandbox.files, container_id, config, home, time.time())
        except OSError as error:
            raise RuntimeFailure(f"cannot make the container: {error}") from None
        sandbox.files.containers[container_id] = container
        self._supervisor.publish("created", sandbox, container)
        return container_id

    async def start_container(self, container_id: str) -> None:
        """Run its process."""
        sandbox, container = self._supervisor.find(container_id)
        await sandbox.ready_shim().request("start", container=container.id)

    async def until_serving(self, container_id: str) -> None:
        """Wait until it is running, or has ended."""
        _, container = self._supervisor.find(container_id)
        events = self._supervisor.events()
        while not container.running and not container.exited:
            await anext(events)

    async def stop_container(self, container_id: str, timeout: float) -> None:
        """Its stop signal, then SIGKILL for all of it."""
        try:
            sandbox, container = self._supervisor.find(container_id)
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
            sandbox, container = self._supervisor.find(container_id)
        except NotFound:
            return
        if sandbox.shim is not None:
            with contextlib.suppress(RuntimeFailure):
                await sandbox.shim.request("remove", container=container.id)
        if sandbox.files.containers.pop(container_id, None) is not None:
            store.remove_logs(Path(container.config["logPath"]))
            shutil.rmtree(container.directory, ignore_errors=True)
            self._supervisor.publish("deleted", sandbox, container)

    async def list_containers(self) -> list[ContainerStatus]:
        """All of them, in the order they were created."""
        found = [
            store.status_of(sandbox.files, container)
            for sandbox in self._supervisor.sandboxes.values()
            for container in sandbox.files.containers.values()
        ]
        return sorted(found, key=lambda status: status.created_at)

    async def container_status(self, container_id: str) -> ContainerStatus:
        """One of them."""
        sandbox, container = self._supervisor.find(container_id)
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
                sandbox, container = self._supervisor.find_running(container_id)
                await sandbox.ready_shim().request("kill", container=container.id, pid=pid)
            return await collector.result(streams, timed_out=True)
        finally:
            await streams.aclose()

    async def attach(self, container_id: str, *, stdin: bool) -> Streams:
        """Connect to the container's own streams."""
        sandbox, container = self._supervisor.find_running(container_id)
        shim = sandbox.ready_shim()
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
        return self._supervisor.events()

    async def _exec(
        self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> tuple[Streams, int]:
        sandbox, container = self._supervisor.find_running(container_id)
        shim = sandbox.ready_shim()
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


async def remove_everything(root: Path) -> None:
    """Stop and remove all sandboxes below `root`. No kubelet may be using it."""
    runtime = SubprocessRuntime(root)
    await runtime.start()
    sandboxes = await runtime.list_pod_sandboxes()
    await asyncio.gather(*(runtime.remove_pod_sandbox(sandbox.id) for sandbox in sandboxes))
    await runtime.close()
