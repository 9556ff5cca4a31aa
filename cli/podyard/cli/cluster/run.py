"""Starts the processes of a cluster or a node, waits until they serve, keeps them running, and stops them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from podyard.cli.cluster import control
from podyard.cli.cluster.processes import ProcessSpec
from podyard.cli.cluster.supervisor import Process, Supervisor
from podyard.process.main import UserError

START_SECONDS = 60.0
"""What is not ready by then has failed to start."""

Report = Callable[[dict[str, object]], None]
"""Called with {"ready": [names]}, then {"serving": …} or {"failed": text}, in the end {"stopping": True}."""


class Site(Protocol):
    """What runs: the processes of a cluster, or those of a node."""

    def command(self, spec: ProcessSpec) -> list[str]:
        """The command line of a process, where it belongs."""

    def processes(self) -> list[ProcessSpec]:
        """What to run."""

    async def until_it_serves(self, all_ready: asyncio.Event) -> None:
        """Return when it may be said to serve; `all_ready` is set when each process has said READY.

        Raises TimeoutError when it takes too long.
        """

    async def serving(self) -> dict[str, object]:
        """It serves: make that known, and give what there is to report."""

    async def leave(self) -> None:
        """The processes have ended: end what they have left."""


async def supervise(site: Site, path: Path, report: Report, stop: asyncio.Event) -> None:
    """Run a site whose data directory is `path` until `stop`. Raises UserError when it cannot start."""
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def changed(process: Process) -> None:
        if process.restarts and not process.ever_ready and not failed.done():
            why = process.last_words.removeprefix("podyard: ") or process.status
            failed.set_result(f"{process.spec.name}: {why}")
        ready = sorted(p.spec.name for p in supervisor.processes.values() if p.ready)
        report({"ready": ready})
        if len(ready) == len(supervisor.processes):
            all_ready.set()

    all_ready = asyncio.Event()
    supervisor = Supervisor(path / "logs", control.notify_path(path), site.command, changed)
    supervisor.start(site.processes())
    server = await control.serve(path, lambda: {"pid": os.getpid(), "processes": supervisor.snapshot()})
    try:
        text = await _first_of(_serving(site, path, all_ready), failed, stop.wait())
        if text:
            raise UserError(text)
        if not stop.is_set():
            report(await site.serving())
            await stop.wait()
        report({"stopping": True})
    finally:
        server.close()
        await supervisor.stop(last="apiserver")
        await site.leave()


def stop_by_signal() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _serving(site: Site, path: Path, all_ready: asyncio.Event) -> None:
    try:
        await site.until_it_serves(all_ready)
    except TimeoutError:
        raise UserError(
            f"not ready after {START_SECONDS:g} s; the logs in {path / 'logs'} say more"
        ) from None


async def _first_of(serving: object, failed: asyncio.Future[str], stopped: object) -> str:
    """Wait for one of the three; give the failure's text, or "" for the other two."""
    tasks = [asyncio.ensure_future(serving), failed, asyncio.ensure_future(stopped)]  # type: ignore[call-overload]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        if task is failed:
            return str(task.result())
        task.result()
    return ""
