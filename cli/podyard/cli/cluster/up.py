"""Starts a cluster, waits until it serves, keeps it running, and stops it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable

from podyard.cli.cluster import control, kubeconfig, pki, place
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.cluster.place import Place
from podyard.cli.cluster.supervisor import Process, Supervisor
from podyard.cli.rootless.listeners import ListenerServer
from podyard.process.main import UserError

START_SECONDS = 60.0
"""A cluster that is not ready by then has failed to start."""

Report = Callable[[dict[str, object]], None]
"""Called with {"ready": [names]}, then {"serving": kubeconfig, "inside": bool} or {"failed": text}."""


async def run(cluster: ClusterConfig, report: Report) -> None:
    """Run the cluster until SIGINT or SIGTERM. Raises UserError when it cannot start."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    lock = control.Lock(cluster.path)
    lock.acquire()
    try:
        (cluster.path / "images").mkdir(exist_ok=True)
        pki.ensure(cluster)
        where = place.prepare(cluster)
        where.check_ports()
        await _supervise(where, report, stop)
    finally:
        lock.close()


async def _supervise(where: Place, report: Report, stop: asyncio.Event) -> None:
    cluster = where.cluster
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def changed(process: Process) -> None:
        if process.restarts and not process.ever_ready and not failed.done():
            failed.set_result(f"{process.spec.name}: {process.last_words.removeprefix('podyard: ')}")
        ready = sorted(p.spec.name for p in supervisor.processes.values() if p.ready)
        report({"ready": ready})
        if len(ready) == len(supervisor.processes):
            all_ready.set()

    all_ready = asyncio.Event()
    notify_path = control.socket_path(cluster.path, "notify")
    supervisor = Supervisor(cluster.path / "logs", notify_path, where.wrap, changed)
    listeners = ListenerServer(control.socket_path(cluster.path, "listeners")) if where.namespace else None
    supervisor.start(where.processes())
    server = await control.serve(
        cluster.path, lambda: {"pid": os.getpid(), "processes": supervisor.snapshot()}
    )
    try:
        text = await _first_of(_serving(where, all_ready), failed, stop.wait())
        if text:
            raise UserError(text)
        if not stop.is_set():
            report({"serving": str(kubeconfig.add_context(cluster)), "inside": where.namespace is not None})
            await stop.wait()
        report({"stopping": True})
    finally:
        server.close()
        await supervisor.stop(last="apiserver")
        if listeners:
            listeners.close()
        await place.leave(where)


async def _serving(where: Place, all_ready: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            await all_ready.wait()
            await where.until_dns_answers()
    except TimeoutError:
        logs = where.cluster.path / "logs"
        raise UserError(
            f"the cluster is not ready after {START_SECONDS:g} s; the logs in {logs} say more"
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


def start_detached(cluster: ClusterConfig, show: Report) -> int:
    """Start `up` in the background, show its reports until it serves or fails; exit status."""
    reader, writer = os.pipe()
    log_dir = cluster.path / "logs"
    log_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "podyard.cli", "up", "--name", cluster.name, "--report-fd", str(writer)]
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.setsid()
        os.set_inheritable(writer, True)
        log = os.open(log_dir / "up.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.execv(sys.executable, command)
    os.close(writer)
    with os.fdopen(reader) as reports:
        for line in reports:
            said = json.loads(line)
            if "failed" in said:
                os.waitpid(pid, 0)
                raise UserError(said["failed"])
            show(said)
            if "serving" in said:
                return 0
    raise UserError(f"the cluster did not start; {log_dir / 'up.log'} says more")
