"""Several processes that serve one address: started, watched, replaced.

Each follows the apiserver and has a zone of its own, so that there is nothing to hand over; the
kernel spreads the clients over their sockets (SO_REUSEPORT). When one is killed the kernel gives its
clients to the others at once; lost is what was in its socket. Its successor joins them when its
zone is complete, and draws no query that it could not answer.

The parent serves nothing, and says to whoever supervises it that all are ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from podyard.process.clock import RealClock
from podyard.process.main import UserError
from podyard.process.silence import Silence

WORKER_FLAG = "--worker"
REPLACES_FLAG = "--replaces"
RESTART_DELAYS = (0.0, 0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before a restart, by how often the worker has ended quickly in a row."""
QUICK_SECONDS = 10.0
STOP_SECONDS = 5.0
"""How long a worker may take to end after SIGTERM."""
HUNG_SECONDS = 60.0
"""A worker that says nothing for so long is killed, and so replaced."""

logger = logging.getLogger("dns")


def check_address(address: str, port: int) -> None:
    """Raise UserError unless the address is free: workers would share it with whoever has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address, port))
            except OSError as error:
                reason = error.strerror or error
                raise UserError(f"cannot listen on {address}:{port}: {reason}") from None


class Workers:
    """Runs `number` workers, each this process' own command line and its number.

    `ready` is called once, when all are ready for the first time.
    """

    def __init__(self, number: int, ready: Callable[[], None]) -> None:
        self._ready = ready
        self._directory = Path(tempfile.mkdtemp(prefix="podyard-dns-"))
        self._workers = [_Worker(index, self._directory / str(index)) for index in range(number)]

    async def run(self) -> None:
        """Keep them running until cancelled. Raises UserError when one cannot even start."""
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.keep_running())
                    group.create_task(worker.kill_when_hung())
                for worker in self._workers:
                    await worker.ready.wait()
                self._ready()
        # Not except*: Python 3.11.2 (Debian 12) puts what is raised in it into a group again.
        except ExceptionGroup as errors:
            mistakes = errors.subgroup(UserError)
            if mistakes is None:
                raise
            raise mistakes.exceptions[0] from None
        finally:
            await asyncio.gather(*(worker.end() for worker in self._workers))
            shutil.rmtree(self._directory, ignore_errors=True)


class _Worker:
    """One of them. It reports over sd_notify(3), as all podyard processes do."""

    def __init__(self, index: int, notify_path: Path) -> None:
        self.ready = asyncio.Event()
        self._index = index
        self._silence = Silence(HUNG_SECONDS, RealClock())
        self._process: asyncio.subprocess.Process | None = None
        self._path = notify_path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(notify_path))
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    async def keep_running(self) -> None:
        quick, replaces = 0, False
        while True:
            began = time.monotonic()
            self._silence.heard()
            code = await self._run_once(replaces)
            if code == 1 and not self.ready.is_set():
                raise UserError("a worker cannot start")  # it has said why
            quick = quick + 1 if time.monotonic() - began < QUICK_SECONDS else 0
            delay = RESTART_DELAYS[min(quick, len(RESTART_DELAYS) - 1)]
            logger.warning("worker %d ended (%d), restarting in %g s", self._index, code, delay)
            await asyncio.sleep(delay)
            replaces = True

    async def _run_once(self, replaces: bool) -> int:
        flags = [WORKER_FLAG, str(self._index), *([REPLACES_FLAG] if replaces else [])]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *sys.orig_argv[1:],
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(self._path),
                "PODYARD_SUPERVISOR": str(os.getpid()),
            },
        )
        return await self._process.wait()

    async def kill_when_hung(self) -> None:
        while True:
            await self._silence.lasts()
            logger.warning("worker %d has said nothing for %g s, killing it", self._index, HUNG_SECONDS)
            self._signal(signal.SIGKILL)

    async def end(self) -> None:
        self._signal(signal.SIGTERM)
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(number)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                lines = self._socket.recv(4096).split(b"\n")
                self._silence.heard()
                if b"READY=1" in lines:
                    self.ready.set()
