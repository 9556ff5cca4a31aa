"""A subprocess runtime in a temporary directory, and pods in one line."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from podyard.kubelet.images import Image, resolve_command
from podyard.kubelet.images.catalog import NODE_PATHS
from podyard.kubelet.runtime import (
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    Features,
    NamespaceMode,
    PodSandboxConfig,
)
from podyard.kubelet.runtime.features import probe_features
from podyard.kubelet.runtime.subprocess import SubprocessRuntime
from podyard.kubelet.shim import marker
from podyard.kubelet.shim.loop import Loop


@functools.cache
def _lacking() -> str:
    with tempfile.TemporaryDirectory() as directory:
        found = probe_features(Path(directory))
    return found.mount_problem or found.pid_problem


needs_namespaces = pytest.mark.skipif(bool(_lacking()), reason=f"no namespaces here: {_lacking()}")

_numbers = itertools.count(os.getpid() * 16)


def fresh_ip() -> str:
    """An address of 127.200.0.0/14 that no other test uses at this time."""
    number = next(_numbers) % (4 << 16)
    return f"127.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


class Pods:
    """The runtime and what a test asks of it."""

    def __init__(self, root: Path, probe: Callable[[Path], Features] = probe_features) -> None:
        self.root = root
        self.probe = probe
        self.runtime = SubprocessRuntime(root, probe)

    async def restart_kubelet(self) -> None:
        """Let go of everything, as a kubelet does that ends, and begin anew."""
        await self.runtime.close()
        self.runtime = SubprocessRuntime(self.root, self.probe)
        await self.runtime.start()

    async def sandbox(self, ip: str = "", **config: Any) -> str:
        """A sandbox of its own for every call."""
        number = next(_numbers)
        defaults: dict[str, Any] = {"hostname": f"pod-{number}"}
        return await self.runtime.run_pod_sandbox(
            PodSandboxConfig(
                name=f"pod-{number}",
                namespace="default",
                uid=f"uid-{number}",
                ip=ip or fresh_ip(),
                log_directory=self.root / "logs" / str(number),
                labels={"app": "test"},
                **{**defaults, **config},
            )
        )

    async def create(self, command: Sequence[str] | str, *, sandbox: str = "", **config: Any) -> str:
        """A container; a string is a shell script."""
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        defaults: dict[str, Any] = {"name": "main", "image": "image", "image_id": "sha256:0"}
        defaults["log_path"] = f"main/{next(_numbers)}.log"
        defaults["host_paths"] = [str(self.root), *NODE_PATHS]  # where tests and containers meet
        return await self.runtime.create_container(
            sandbox or await self.sandbox(), ContainerConfig(command=argv, **{**defaults, **config})
        )

    async def run(self, command: Sequence[str] | str, **config: Any) -> str:
        """A container that has been started."""
        container_id = await self.create(command, **config)
        await self.start(container_id)
        return container_id

    async def start(self, container_id: str) -> None:
        """Start a container and wait until it serves."""
        await self.runtime.start_container(container_id)
        await self.runtime.until_serving(container_id)

    async def run_unsheltered(self, script: str, **config: Any) -> str:
        """As `run`, but not as process 1, which takes no signal that it has not asked for."""
        return await self.run(script, sandbox=await self.sandbox(pid=NamespaceMode.NODE), **config)

    async def run_image(self, image: Image, ip: str, args: Sequence[str] = (), **config: Any) -> str:
        """A container of an image that has been started."""
        container_id = await self.create_of(image, ip, args, **config)
        await self.start(container_id)
        return container_id

    async def create_of(self, image: Image, ip: str, args: Sequence[str] = (), **config: Any) -> str:
        """A container of an image, as the kubelet makes it."""
        return await self.create(
            resolve_command(image, (), args),
            sandbox=await self.sandbox(ip),
            env={**image.env, **config.pop("env", {})},
            ports=config.pop("ports", image.ports),
            listen=image.listen,
            wait_for_ports=image.wait_for_ports,
            stop_signal=image.stop_signal,
            stop_signal_blocked=image.stop_signal_blocked,
            host_paths=[str(self.root), *NODE_PATHS, *filter(None, image.host_paths)],
            **config,
        )

    async def exited(self, container_id: str) -> ContainerStatus:
        """Wait for its end."""
        events = self.runtime.events()
        status = await self.runtime.container_status(container_id)
        while status.state != ContainerState.EXITED:
            event = await anext(events)
            if event.container_id == container_id and event.status is not None:
                status = event.status
        return status

    async def log(self, container_id: str) -> list[tuple[str, str, str]]:
        """Its log as (stream, tag, text)."""
        path = (await self.runtime.container_status(container_id)).log_path
        return log_lines(path)

    async def logged(self, container_id: str, text: str) -> None:
        """Wait until a line of its log is `text`."""
        path = (await self.runtime.container_status(container_id)).log_path
        await until(lambda: path.exists() and text in [line for _, _, line in log_lines(path)])


def log_lines(path: Path) -> list[tuple[str, str, str]]:
    """A log file as (stream, tag, text)."""
    entries = (line.split(" ", 3) for line in path.read_bytes().decode().split("\n")[:-1])
    return [(stream, tag, text) for _, stream, tag, text in entries]


def processes_of(container_id: str) -> list[int]:
    """Every process of the container, however deep, that is not dead and only waits to be reaped by init."""
    return [pid for pid in marker.processes(marker.marker_of(container_id)) if not _is_zombie(pid)]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def is_root() -> bool:
    """Whether we may mount, and give files to anybody: root, and not only of a user namespace."""
    return os.geteuid() == 0 and "4294967295" in Path("/proc/self/uid_map").read_text()


@contextlib.contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """Let this process open no more than so many, whatever earlier tests have left open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    with contextlib.ExitStack() as between:
        while (lowest := os.dup(0)) <= highest:
            between.callback(os.close, lowest)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + number, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run_until(loop: Loop, condition: Callable[[], bool]) -> None:
    """Turn a shim's loop until so."""

    def look() -> None:
        if condition():
            loop.stop()
        else:
            loop.call_later(0.001, look)

    loop._running = True
    look()
    loop.run()


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
