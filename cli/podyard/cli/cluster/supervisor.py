"""Keeps a cluster's processes running: starts, restarts, ends them, and knows how each is.

A process tells READY=1, STATUS=… and, every two seconds, WATCHDOG=1 over sd_notify(3).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podyard.cli.cluster.orphans import STOP_SECONDS, ended
from podyard.cli.cluster.processes import ProcessSpec
from podyard.process.files import described

logger = logging.getLogger("supervisor")

SILENT_SECONDS = 10.0
"""A process that says nothing for so long is shown as not responding."""

HUNG_SECONDS = 60.0
"""A process that says nothing for so long is killed, and so restarted."""

RESTART_DELAYS = (0.0, 0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before a restart, by how often the process has ended quickly in a row."""

QUICK_SECONDS = 30.0
"""A process that ended sooner than this has ended quickly."""

MAX_LOG_BYTES = 10 * 1024 * 1024


@dataclass
class Process:
    """One supervised process as it is now."""

    spec: ProcessSpec
    pid: int = 0
    started: float = 0.0
    heard: float = 0.0
    ready: bool = False
    ever_ready: bool = False
    status: str = ""
    restarts: int = 0
    quick_failures: int = 0
    last_words: str = ""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def health(self, now: float) -> str:
        """ready, starting, not responding, or down (waiting for its restart)."""
        if not self.pid:
            return "down"
        if now - self.heard > SILENT_SECONDS:
            return "not responding"
        return "ready" if self.ready else "starting"


class Supervisor:
    """Runs processes until `stop`. `changed` is called whenever one of them is different.

    `notify_path` is the socket on which they report; `wrap` gives the command line that runs a process
    where it belongs.
    """

    def __init__(
        self,
        log_dir: Path,
        notify_path: Path,
        wrap: Callable[[ProcessSpec], list[str]],
        changed: Callable[[Process], None],
    ) -> None:
        self.processes: dict[str, Process] = {}
        self._log_dir = log_dir
        self._changed = changed
        self._stopping = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notify_path.unlink(missing_ok=True)  # of a supervisor that was killed
        self._socket.bind(str(notify_path))
        self._socket.setblocking(False)
        self._notify_path = notify_path
        self._wrap = wrap
        self._watch: asyncio.Task[None] | None = None

    def start(self, specs: list[ProcessSpec]) -> None:
        """Start them all, and keep them running."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        asyncio.get_running_loop().add_reader(self._socket, self._read_notifications)
        self._watch = asyncio.create_task(self._watch_for_hung())
        for spec in specs:
            process = Process(spec)
            self.processes[spec.name] = process
            process.task = asyncio.create_task(self._keep_running(process))

    async def stop(self, *, last: str) -> None:
        """End every process, the one named `last` after the others."""
        self._stopping = True
        if self._watch:
            self._watch.cancel()
        await asyncio.gather(*(self._end(p) for p in self.processes.values() if p.spec.name != last))
        if last in self.processes:
            await self._end(self.processes[last])
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._notify_path.unlink(missing_ok=True)

    def snapshot(self) -> list[dict[str, Any]]:
        """What `podyard status` shows."""
        now = time.monotonic()
        return [
            {
                "name": p.spec.name,
                "pid": p.pid,
                "address": p.spec.address,
                "health": p.health(now),
                "detail": p.status or p.last_words,
                "uptime": now - p.started if p.pid else 0,
                "restarts": p.restarts,
            }
            for p in self.processes.values()
        ]

    async def _keep_running(self, process: Process) -> None:
        while True:
            how, last_words = await self._run_once(process)
            if self._stopping:
                return
            process.quick_failures = quick_failures(process, time.monotonic())
            process.restarts += 1
            process.last_words = last_words
            process.status = f"ended ({how})"
            delay = RESTART_DELAYS[min(process.quick_failures, len(RESTART_DELAYS) - 1)]
            logger.warning("%s ended (%s), restarting in %g s", process.spec.name, how, delay)
            self._changed(process)
            await asyncio.sleep(delay)

    async def _run_once(self, process: Process) -> tuple[str, str]:
        """How it has ended, and its last words."""
        process.started = time.monotonic()
        try:
            return _how(await self._until_it_ends(process)), self._tail(process)
        except OSError as error:  # such as a full disk
            return "not started", described(error)

    async def _until_it_ends(self, process: Process) -> int:
        child = self._spawn(process)
        process.pid = child.pid
        process.started = process.heard = time.monotonic()
        process.ready = False
        process.status = ""
        self._changed(process)
        try:
            await _ended(child)
            return child.wait()
        finally:
            process.pid = 0
            process.ready = False

    def _spawn(self, process: Process) -> subprocess.Popen[bytes]:
        """Not by the event loop, which gives the pid later: what it says until then would be lost."""
        with self._open_log(process) as log:
            return subprocess.Popen(
                self._wrap(process.spec),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends them in order
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": str(self._notify_path),
                    "PODYARD_SUPERVISOR": str(os.getpid()),
                },
            )

    async def _end(self, process: Process) -> None:
        if process.task is None:
            return
        if not process.pid:
            process.task.cancel()
            await asyncio.wait([process.task])
            return
        _signal(process.pid, signal.SIGTERM)
        done, _ = await asyncio.wait([process.task], timeout=STOP_SECONDS)
        if not done:
            logger.warning("%s does not end, killing it", process.spec.name)
            _signal(process.pid, signal.SIGKILL)
            await asyncio.wait([process.task])

    async def _watch_for_hung(self) -> None:
        while True:
            await asyncio.sleep(5)
            now = time.monotonic()
            for process in self.processes.values():
                if process.pid and now - process.heard > HUNG_SECONDS:
                    logger.warning(
                        "%s has said nothing for %g s, killing it", process.spec.name, HUNG_SECONDS
                    )
                    _signal(process.pid, signal.SIGKILL)

    def _read_notifications(self) -> None:
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    self._notified(struct.unpack("3i", content)[0], data.decode(errors="replace"))

    def _notified(self, pid: int, text: str) -> None:
        process = next((p for p in self.processes.values() if p.pid == pid), None)
        if process is None:
            return
        process.heard = time.monotonic()
        fields = dict(line.partition("=")[::2] for line in text.splitlines())
        if "STATUS" in fields:
            process.status = fields["STATUS"]
        if fields.get("READY") == "1" and not process.ready:
            process.ready = process.ever_ready = True
            self._changed(process)

    def _log_file(self, process: Process) -> Path:
        return self._log_dir / f"{process.spec.name}.log"

    def _open_log(self, process: Process) -> Any:
        file = self._log_file(process)
        if file.exists() and file.stat().st_size > MAX_LOG_BYTES:
            os.replace(file, file.with_suffix(".log.1"))
        return file.open("ab")

    def _tail(self, process: Process) -> str:
        """The last line of its log: what a process that ended says of the reason."""
        with self._log_file(process).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def quick_failures(process: Process, now: float) -> int:
    """How often in a row it has ended quickly, with the end that just came counted. Pure."""
    return process.quick_failures + 1 if now - process.started < QUICK_SECONDS else 0


async def _ended(child: subprocess.Popen[bytes]) -> None:
    descriptor = os.pidfd_open(child.pid)
    try:
        await ended(descriptor)
    finally:
        os.close(descriptor)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _how(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
